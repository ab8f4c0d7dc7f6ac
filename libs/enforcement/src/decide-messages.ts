/** Messages of policy.proto to and from the words of policy-core, the same for whoever answers them. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { policyV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import type { RevocationChange } from '@cogmesh/identity';
import type { AccessRequest, AccessSubject, Decision, Obligation } from '@cogmesh/policy-core';
import { decisionId } from './decision-id.js';
import { attributesMaxChars, contextMaxChars } from './limits.js';
import { revokedError } from './revocation-book.js';

/** A request of Decide, as it arrives or as it is about to be sent. */
export type DecideRequestInit = MessageInitShape<typeof policyV1.DecideRequestSchema>;
type Answer = MessageInitShape<typeof policyV1.DecideResponseSchema> & { readonly decisionId: string };
type JsonMap = Readonly<Record<string, unknown>>;

/**
 * Reads the requests of one call; what they share, a subject or a JSON text, is read once and stays one object. Rejects with
 * `invalid_argument` or `invalid_json` a request without subject or resource, or whose JSON is none.
 */
export function accessReader(nowMs: number): (request: DecideRequestInit) => AccessRequest {
  const subjects = onceFor(readSubject);
  const contexts = onceFor((text: string) => jsonObject(text, { name: 'context_json', maxChars: contextMaxChars }));
  const attributes = onceFor((text: string) =>
    jsonObject(text, { name: 'resource_attributes_json', maxChars: attributesMaxChars }),
  );
  return ({ subject, action = '', resource, owner = '', contextJson = '', resourceAttributesJson = '' }) => {
    if (subject === undefined) throw new CogmeshError('invalid_argument', 'the request has no subject');
    if (resource === undefined) throw new CogmeshError('invalid_argument', 'the request has no resource');
    const { type = '', id = '' } = resource;
    return {
      subject: subjects(subject),
      action,
      resource: { type, id },
      ...(owner === '' ? {} : { owner }),
      context: contexts(contextJson),
      ...(resourceAttributesJson === '' ? {} : { resourceAttributes: attributes(resourceAttributesJson) }),
      nowMs,
    };
  };
}

function readSubject(subject: NonNullable<DecideRequestInit['subject']>): AccessSubject {
  const { issuer = '', sub = '', organisation = '', roles = [], attributesJson = '' } = subject;
  const attributes = jsonObject(attributesJson, { name: 'attributes_json', maxChars: attributesMaxChars });
  return { issuer, sub, organisation, roles, attributes };
}

/** Within one call, by identity. */
function onceFor<Key, Value>(make: (key: Key) => Value): (key: Key) => Value {
  const known = new Map<Key, Value>();
  return (key) => {
    let value = known.get(key);
    if (value === undefined) known.set(key, (value = make(key)));
    return value;
  };
}

function jsonObject(text: string, { name, maxChars }: { name: string; maxChars: number }): JsonMap {
  if (text === '') return {};
  if (text.length > maxChars)
    throw new CogmeshError('payload_too_large', `${name} has ${text.length} characters, at most ${maxChars}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new CogmeshError('invalid_json', `${name} is not JSON`);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonMap;
  throw new CogmeshError('invalid_json', `${name} is not an object`);
}

export function fromDecision(decision: Decision): Answer {
  const { allowed, code, reason, rules, epoch, grantId, obligations } = decision;
  return {
    allowed,
    decisionId: decisionId(),
    reason,
    code,
    epoch: BigInt(epoch),
    grantId: grantId ?? '',
    rules: [...rules],
    obligations: obligations.map(fromObligation),
  };
}

function fromObligation({ id, type = '', properties }: Obligation): MessageInitShape<typeof policyV1.ObligationSchema> {
  return { id, type, propertiesJson: properties === undefined ? '' : JSON.stringify(properties) };
}

/** The answer to somebody who is revoked, whatever the policies say. */
export function fromRevocation(revocation: RevocationChange): Answer {
  const { message } = revokedError(revocation);
  return {
    allowed: false,
    decisionId: decisionId(),
    reason: message,
    code: 'revoked',
    epoch: 0n,
    grantId: '',
    rules: [],
  };
}
