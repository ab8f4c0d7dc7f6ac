/**
 * Calls to services that answer only to a permit. A permit is minted per call, bound to the method and to the rights just
 * granted. An enforcement point that has just started refuses permits older than itself (`replayed_permit`): such a call
 * is made once more with a new one. What goes wrong between services about identity is ours, never the caller's 401.
 */
import type { DescMethod } from '@bufbuild/protobuf';
import { CogmeshError, type ErrorCode } from '@cogmesh/errors';
import type { CallOptions } from '@cogmesh/rpc';
import type { Permission } from './authority.js';

/** Signs a permit for one call. `audience` is the service's name, `method` the full gRPC method. */
export type MintPermit = (call: {
  readonly audience: string;
  readonly method: string;
  readonly permission: Permission;
}) => Promise<string>;

export interface PermittedCall<Answer> {
  readonly audience: 'scheduler' | 'policy' | 'registry';
  readonly method: DescMethod;
  readonly permission: Permission;
  readonly signal: AbortSignal;
  readonly send: (options: CallOptions) => Promise<Answer>;
}

const ours = new Set<ErrorCode>([
  'unauthenticated',
  'invalid_token',
  'expired_token',
  'invalid_permit',
  'replayed_permit',
  'direct_call',
]);

/** `/cogmesh.scheduler.v1.SchedulerService/GetRun`. */
const fullName = (method: DescMethod): string => `/${method.parent.typeName}/${method.name}`;

export interface PermittedCallsOptions {
  readonly mint: MintPermit;
  /** Told of each call that succeeded, before its answer is given. */
  readonly succeeded?: (audience: PermittedCall<unknown>['audience'], method: string) => Promise<unknown> | undefined;
}

export class PermittedCalls {
  readonly #options: PermittedCallsOptions;

  constructor(options: PermittedCallsOptions) {
    this.#options = options;
  }

  async call<Answer>(call: PermittedCall<Answer>): Promise<Answer> {
    return inside(call.audience, async () => {
      try {
        return await this.#once(call);
      } catch (thrown) {
        if (thrown instanceof CogmeshError && thrown.code === 'replayed_permit') return this.#once(call);
        throw thrown;
      }
    });
  }

  async #once<Answer>({ audience, method, permission, signal, send }: PermittedCall<Answer>): Promise<Answer> {
    const { mint, succeeded } = this.#options;
    const name = fullName(method);
    const permit = await mint({ audience, method: name, permission });
    const answer = await send({ metadata: { authorization: `Bearer ${permit}` }, signal });
    await succeeded?.(audience, name);
    return answer;
  }
}

/** A call between services: that the other one does not know us is `unavailable` to whoever is waiting outside. */
export async function inside<Answer>(service: string, call: () => Promise<Answer>): Promise<Answer> {
  try {
    return await call();
  } catch (thrown) {
    if (!(thrown instanceof CogmeshError) || !ours.has(thrown.code)) throw thrown;
    const message = `the ${service} did not accept the gateway's credentials; try again shortly`;
    throw new CogmeshError('unavailable', message, { retryAfterSeconds: 1 }, { cause: thrown });
  }
}
