/** The face of RevocationService: a member of the organisation, with the right on /revocations in the permit. */
import { revocationV1 } from '@cogmesh/contracts';
import { formatConsistencyToken } from '@cogmesh/enforcement';
import { CogmeshError } from '@cogmesh/errors';
import type { RevocationKind } from '@cogmesh/identity';
import { implement, type ServiceBinding } from '@cogmesh/rpc';
import { revocationPageDefault, revocationPageMax } from '../limits.js';
import type { Revoke } from '../revocations/revoke.js';
import type { RevocationStore, RevokedThing, StoredRevocation } from '../revocations/revocation-store.js';
import { permittedMember } from './permitted-member.js';

const { TOKEN, SUBJECT, ISSUER, GRANT, KEY } = revocationV1.RevocationKind;
const kinds: ReadonlyMap<number, RevocationKind> = new Map([
  [TOKEN, 'token'],
  [SUBJECT, 'subject'],
  [ISSUER, 'issuer'],
  [GRANT, 'grant'],
  [KEY, 'key'],
]);
const messageKinds = new Map([...kinds].map(([number, kind]) => [kind, number as revocationV1.RevocationKind]));

export function revocationRpc(revoke: Revoke, store: Pick<RevocationStore, 'list'>): ServiceBinding {
  return implement(revocationV1.RevocationService, {
    revoke: async ({ organisation, thing, reason, untilMs }, call) => {
      const { sub, issuer } = own(permittedMember(call, 'write', '/revocations'), organisation);
      const revokedBy = `${sub} (${issuer})`;
      const write = { ...thingOf(organisation, thing), reason, revokedBy, untilMs: Number(untilMs) };
      const stored = await revoke.execute(write);
      return { revocation: fromStored(stored), consistencyToken: tokenAt(stored.epoch) };
    },
    lift: async ({ organisation, thing }, call) => {
      own(permittedMember(call, 'write', '/revocations'), organisation);
      return { consistencyToken: tokenAt(await revoke.lift(thingOf(organisation, thing))) };
    },
    listRevocations: async ({ organisation, limit, pageToken }, call) => {
      own(permittedMember(call, 'read', '/revocations'), organisation);
      const size = pageSize(limit);
      const before = pageToken === '' ? 0 : Number(pageToken);
      if (!Number.isSafeInteger(before)) throw new CogmeshError('invalid_argument', 'page_token is none of ours');
      const found = await store.list({ organisation, limit: size + 1, before });
      const page = found.slice(0, size);
      const nextPageToken = found.length > size ? String(page.at(-1)?.epoch ?? 0) : '';
      return { revocations: page.map(fromStored), nextPageToken };
    },
  });
}

const tokenAt = (revocations: number): string => formatConsistencyToken({ epochs: {}, revocations });

function own<Subject extends { readonly organisation: string }>(subject: Subject, organisation: string): Subject {
  if (subject.organisation === organisation) return subject;
  throw new CogmeshError('permission_denied', 'revocations are those of the own organisation');
}

function thingOf(organisation: string, thing: revocationV1.RevokedThing | undefined): RevokedThing {
  const kind = kinds.get(thing?.kind ?? 0);
  if (thing === undefined || kind === undefined)
    throw new CogmeshError('invalid_argument', 'say what is meant: a token, subject, issuer, grant or key');
  return { organisation, kind, issuer: thing.issuer, value: thing.value };
}

function pageSize(limit: number): number {
  if (limit === 0) return revocationPageDefault;
  if (limit > 0 && limit <= revocationPageMax) return limit;
  throw new CogmeshError('invalid_argument', `limit is 1 to ${String(revocationPageMax)}`);
}

function fromStored({ kind, issuer, value, reason, revokedBy, revokedAtMs, untilMs, epoch }: StoredRevocation) {
  return {
    thing: { kind: messageKinds.get(kind) ?? 0, issuer, value },
    reason,
    revokedBy,
    revokedAtMs: BigInt(revokedAtMs),
    untilMs: BigInt(untilMs),
    epoch: BigInt(epoch),
  };
}
