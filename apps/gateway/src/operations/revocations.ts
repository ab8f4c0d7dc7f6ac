/** Revoking what the caller's own organisation gave: its tokens, subjects, issuers, grants and keys. */
import { revocationV1 } from '@cogmesh/contracts';
import type { Client } from '@cogmesh/rpc';
import type { Operation } from './operation.js';
import { callPolicy } from './policy-call.js';
import type { OperationPorts } from './ports.js';
import { right } from './right.js';

export type RevocationClient = Client<typeof revocationV1.RevocationService>;
type Ports = Pick<OperationPorts, 'decisions' | 'calls' | 'revocations'>;

export interface RevokedThing {
  readonly kind: revocationV1.RevocationKind;
  readonly issuer: string;
  readonly value: string;
}

export interface RevokeInput {
  readonly thing: RevokedThing;
  readonly reason: string;
  /** Milliseconds since 1970; 0 means for good. */
  readonly untilMs: number;
}

export interface RevocationOperations {
  readonly revoke: Operation<RevokeInput, revocationV1.RevokeResponse>;
  readonly liftRevocation: Operation<{ readonly thing: RevokedThing }, revocationV1.LiftResponse>;
  readonly listRevocations: Operation<
    { readonly limit: number; readonly pageToken: string },
    revocationV1.ListRevocationsResponse
  >;
}

const { method } = revocationV1.RevocationService;
const writing = right('write', '/revocations');

export function revocationOperations(ports: Ports): RevocationOperations {
  const { revocations } = ports;
  return {
    revoke: (request) => {
      const { untilMs, ...input } = request.input;
      const wanted = { ...input, untilMs: BigInt(untilMs), organisation: request.subject.organisation };
      const send = (options: Parameters<RevocationClient['revoke']>[1]) => revocations.revoke(wanted, options);
      return callPolicy(ports, request, { method: method.revoke, right: writing, send });
    },
    liftRevocation: (request) => {
      const wanted = { ...request.input, organisation: request.subject.organisation };
      const send = (options: Parameters<RevocationClient['lift']>[1]) => revocations.lift(wanted, options);
      return callPolicy(ports, request, { method: method.lift, right: writing, send });
    },
    listRevocations: (request) => {
      const wanted = { ...request.input, organisation: request.subject.organisation };
      const send = (options: Parameters<RevocationClient['listRevocations']>[1]) =>
        revocations.listRevocations(wanted, options);
      return callPolicy(ports, request, {
        method: method.listRevocations,
        right: right('read', '/revocations'),
        send,
      });
    },
  };
}
