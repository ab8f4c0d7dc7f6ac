/**
 * Verified payload -> claims. The signature says who wrote it; these readers say that the parts a decision rests on have the
 * shape a decision needs. A payload of another shape is refused with the kind's code.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { Access, Informed, OutsideSubject } from '@cogmesh/rpc';
import type { JWTPayload } from 'jose';
import type {
  BundleClaims,
  GrantedAttempt,
  HeartbeatClaims,
  PartnerGrantClaims,
  PermitClaims,
  ServiceClaims,
  TaskGrantClaims,
  Submitter,
} from './claims.js';
import { partnerGrantMaxTtlMs, taskGrantMaxAttempts } from './limits.js';
import { tokenKinds, type TokenKind } from './token-kinds.js';

type Fields = Readonly<Record<string, unknown>>;

export function serviceClaims(payload: JWTPayload): ServiceClaims {
  const read = reader(tokenKinds.service, payload);
  if (payload.iss !== payload.sub) read.fail('sub');
  return { service: read.text('sub'), audience: read.text('aud'), expiresAtMs: read.timeMs('exp') };
}

export function permitClaims(payload: JWTPayload): PermitClaims {
  const read = reader(tokenKinds.permit, payload);
  const outside = reader(tokenKinds.permit, read.object('outside'));
  return {
    id: read.text('jti'),
    audience: read.text('aud'),
    method: read.text('method'),
    access: read.list('access').map(accessOf),
    subject: subjectOf(read.object('subject')),
    outside: { iss: outside.text('iss'), sub: outside.text('sub'), jti: outside.text('jti') },
    grants: read.texts('grants'),
    ...(payload['met'] === undefined ? {} : { met: read.texts('met') }),
    ...(payload['consistency'] === undefined ? {} : { consistency: read.text('consistency') }),
    issuedAtMs: read.timeMs('iat'),
    expiresAtMs: read.timeMs('exp'),
  };
}

export function taskGrantClaims(payload: JWTPayload): TaskGrantClaims {
  const read = reader(tokenKinds.taskGrant, payload);
  const attempts = read.list('attempts');
  if (attempts.length === 0 || attempts.length > taskGrantMaxAttempts) read.fail('attempts');
  if ((payload['agent'] === undefined) === (payload['queue'] === undefined)) read.fail('agent');
  return {
    ...(payload['agent'] === undefined ? { queue: read.text('queue') } : { agent: read.text('agent') }),
    attempts: attempts.map(attemptReader(payload['submitters'] === undefined ? [] : read.list('submitters'))),
    issuedAtMs: read.timeMs('iat'),
    expiresAtMs: read.timeMs('exp'),
  };
}

export function bundleClaims(payload: JWTPayload): BundleClaims {
  const read = reader(tokenKinds.bundle, payload);
  return {
    organisation: read.text('organisation'),
    epoch: read.count('epoch'),
    policies: payload['policies'],
    ...(payload.nbf === undefined ? {} : { notBeforeMs: read.timeMs('nbf') }),
    ...(payload.exp === undefined ? {} : { expiresAtMs: read.timeMs('exp') }),
  };
}

export function heartbeatClaims(payload: JWTPayload): HeartbeatClaims {
  const read = reader(tokenKinds.heartbeat, payload);
  const epochs = read.object('epochs');
  const inside = reader(tokenKinds.heartbeat, epochs);
  return {
    nonce: read.text('nonce'),
    epochs: Object.fromEntries(Object.keys(epochs).map((name) => [name, inside.count(name)])),
    ...(payload['revocations'] === undefined ? {} : { revocations: read.count('revocations') }),
  };
}

export function partnerGrantClaims(payload: JWTPayload): PartnerGrantClaims {
  const read = reader(tokenKinds.partnerGrant, payload);
  if (payload.iss !== `org:${read.text('grantor')}`) read.fail('grantor');
  const times = {
    issuedAtMs: read.timeMs('iat'),
    ...(payload.nbf === undefined ? {} : { notBeforeMs: read.timeMs('nbf') }),
    expiresAtMs: read.timeMs('exp'),
  };
  const beginsMs = Math.max(times.issuedAtMs, times.notBeforeMs ?? 0);
  if (!(times.expiresAtMs - beginsMs <= partnerGrantMaxTtlMs)) read.fail('exp');
  return {
    id: read.text('jti'),
    grantor: read.text('grantor'),
    grantee: read.text('grantee'),
    actions: read.texts('actions'),
    resources: read.texts('resources'),
    ...(payload['purpose'] === undefined ? {} : { purpose: read.text('purpose') }),
    ...times,
    ...(payload['roles'] === undefined ? {} : { roles: read.texts('roles') }),
    ...(payload['attributes'] === undefined ? {} : { attributes: read.texts('attributes') }),
    ...delegationOf(payload),
  };
}

/** A grant is passed on at most once: one that was is not passed on again. */
function delegationOf(payload: JWTPayload): Pick<PartnerGrantClaims, 'delegations' | 'parentId' | 'delegatedBy'> {
  const read = reader(tokenKinds.partnerGrant, payload);
  const delegations = payload['delegations'] === undefined ? 0 : read.count('delegations');
  const isPassedOn = payload['parent'] !== undefined || payload['delegated_by'] !== undefined;
  if (delegations > (isPassedOn ? 0 : 1)) read.fail('delegations');
  return {
    ...(delegations === 0 ? {} : { delegations }),
    ...(isPassedOn ? { parentId: read.text('parent'), delegatedBy: read.text('delegated_by') } : {}),
  };
}

function accessOf(value: unknown): Access {
  const read = reader(tokenKinds.permit, value);
  const right = { action: read.text('action'), resource: read.text('resource') };
  const { informed } = value as { informed?: unknown };
  return informed === undefined ? right : { ...right, informed: informedOf(informed) };
}

function informedOf(value: unknown): Informed {
  const read = reader(tokenKinds.permit, value);
  return { attributes: read.object('attributes'), untilMs: read.count('untilMs') };
}

function subjectOf(value: Fields): OutsideSubject {
  const read = reader(tokenKinds.permit, value);
  return {
    issuer: read.text('issuer'),
    sub: read.text('sub'),
    organisation: read.text('organisation'),
    roles: read.texts('roles'),
    tokenId: read.text('tokenId'),
    ...(value['keyId'] === undefined ? {} : { keyId: read.text('keyId') }),
    attributes: read.object('attributes'),
  };
}

/** Attempts name their submitter by its place in the grant's list: many attempts, few people. */
function attemptReader(listed: readonly unknown[]): (value: unknown) => GrantedAttempt {
  const submitters = listed.map(submitterOf);
  return (value) => {
    const read = reader(tokenKinds.taskGrant, value);
    return {
      attemptId: read.text('attemptId'),
      capability: read.text('capability'),
      inputSha256: read.text('inputSha256'),
      blobs: read.texts('blobs'),
      organisation: read.text('organisation'),
      ...(read.field('submitter') === undefined
        ? {}
        : { submitter: submitters[read.count('submitter')] ?? read.fail('submitter') }),
    };
  };
}

function submitterOf(value: unknown): Submitter {
  const read = reader(tokenKinds.taskGrant, value);
  return {
    issuer: read.text('issuer'),
    sub: read.text('sub'),
    tokenId: read.text('tokenId'),
    ...(read.field('keyId') === undefined ? {} : { keyId: read.text('keyId') }),
    ...(read.field('roles') === undefined ? {} : { roles: read.texts('roles') }),
    ...(read.field('attributes') === undefined ? {} : { attributes: read.object('attributes') }),
    ...(read.field('met') === undefined ? {} : { met: read.texts('met') }),
  };
}

/** Reads members of a verified payload; each throws the kind's code when the member has another shape. */
export function reader(kind: TokenKind, value: unknown) {
  const fields = (typeof value === 'object' && value !== null ? value : {}) as Fields;
  const fail = (name: string): never => {
    throw new CogmeshError(kind.code, `the ${kind.noun} has an unacceptable "${name}"`, { claim: name });
  };
  const text = (name: string): string => (typeof fields[name] === 'string' ? fields[name] : fail(name));
  const number = (name: string): number => (typeof fields[name] === 'number' ? fields[name] : fail(name));
  const list = (name: string): readonly unknown[] =>
    Array.isArray(fields[name]) ? (fields[name] as unknown[]) : fail(name);
  return {
    fail,
    text,
    list,
    field: (name: string): unknown => fields[name],
    timeMs: (name: string): number => Math.round(number(name) * 1000),
    count: (name: string): number =>
      Number.isSafeInteger(number(name)) && number(name) >= 0 ? number(name) : fail(name),
    texts: (name: string): readonly string[] =>
      list(name).map((item) => (typeof item === 'string' ? item : fail(name))),
    object: (name: string): Fields => {
      const inner = fields[name];
      return typeof inner === 'object' && inner !== null && !Array.isArray(inner) ? (inner as Fields) : fail(name);
    },
  };
}
