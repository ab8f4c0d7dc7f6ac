/** The face of AuditService: enforcement points append by their own identity; people read what their own organisation is part of. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { policyAuditV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { implement, type CallContext, type ServiceBinding } from '@cogmesh/rpc';
import { queryAudit } from '../audit/audit-reader.js';
import type { AuditStore } from '../audit/audit-store.js';
import type { AuditWriter } from '../audit/audit-writer.js';
import type { ChainedEntry } from '../audit/entry.js';
import { verifyAudit } from '../audit/verify-audit.js';

export interface AuditRpcParts {
  readonly store: AuditStore;
  readonly writer: AuditWriter;
}

export function auditRpc({ store, writer }: AuditRpcParts): ServiceBinding {
  return implement(policyAuditV1.AuditService, {
    append: (request, call) => append(writer, request, call),
    query: async (request, call) => {
      requireReader(call, request.organisation);
      const { fromMs, toMs, ...rest } = request;
      const { entries, nextPageToken } = await queryAudit(store, {
        ...rest,
        fromMs: Number(fromMs),
        toMs: Number(toMs),
      });
      return { entries: entries.map(fromEntry), nextPageToken };
    },
    verify: async (request, call) => {
      requireReader(call, request.organisation);
      const { organisation, fromPosition, knownPosition, knownHash } = request;
      const verification = await verifyAudit(store, {
        organisation,
        fromPosition: Number(fromPosition),
        knownPosition: Number(knownPosition),
        knownHash,
      });
      const { verified, nextPosition, position, hash, firstPosition, problem } = verification;
      return {
        verified: BigInt(verified),
        nextPosition: BigInt(nextPosition),
        position: BigInt(position),
        hash,
        firstPosition: BigInt(firstPosition),
        ...(problem === undefined ? {} : { problem: { position: BigInt(problem.position), problem: problem.problem } }),
      };
    },
  });
}

async function append(writer: AuditWriter, request: policyAuditV1.AppendRequest, { caller }: CallContext) {
  if (caller.kind !== 'service')
    throw new CogmeshError('permission_denied', 'only enforcement points append to the decision log');
  const { spoolId, after } = request;
  const records = request.records.map(({ sequence, recordJson }) => ({ sequence: Number(sequence), json: recordJson }));
  return { accepted: BigInt(await writer.append({ spoolId, after: Number(after), records }, caller.service)) };
}

function requireReader({ caller }: CallContext, organisation: string): void {
  if (caller.kind !== 'subject')
    throw new CogmeshError('permission_denied', 'the decision log is read on behalf of a member of its organisation');
  if (caller.subject.organisation !== organisation)
    throw new CogmeshError(
      'permission_denied',
      `a member of ${caller.subject.organisation} may not read the decision log of another organisation`,
    );
  if (!caller.access.some(({ action, resource }) => action === 'read' && resource === '/audit'))
    throw new CogmeshError('permission_denied', 'the permit does not carry "read" on /audit');
}

function fromEntry(chained: ChainedEntry): MessageInitShape<typeof policyAuditV1.AuditEntrySchema> {
  const { organisation, position, hash, entry } = chained;
  const { atMs, epoch, subject, rules, ...rest } = entry;
  return {
    ...rest,
    organisation,
    position: BigInt(position),
    hash,
    atMs: BigInt(atMs),
    epoch: BigInt(epoch),
    subject: { ...subject, roles: [...subject.roles] },
    rules: [...rules],
  };
}
