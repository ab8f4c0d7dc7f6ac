/** The decision log at the policy service by contract: what was appended, once per sequence, and the last question of each kind. */
import { policyAuditV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { implement, type CallContext, type ServiceBinding } from '@cogmesh/rpc';

export interface AppendedRecord {
  readonly point: string;
  readonly subject: { readonly sub: string; readonly organisation: string };
  readonly decisions: readonly Readonly<Record<string, unknown>>[];
}

export class FakeAudit {
  readonly records: AppendedRecord[] = [];
  readonly asked: (policyAuditV1.QueryRequest | policyAuditV1.VerifyRequest)[] = [];
  problem: { position: bigint; problem: string } | undefined;
  readonly #accepted = new Map<string, bigint>();

  service(own: (call: CallContext, organisation: string) => void): ServiceBinding {
    return implement(policyAuditV1.AuditService, {
      append: async ({ spoolId, after, records }) => {
        const known = this.#accepted.get(spoolId) ?? 0n;
        if (after > known) throw new CogmeshError('conflict', 'out of order', { accepted: Number(known) });
        const fresh = records.filter(({ sequence }) => sequence > known);
        this.records.push(...fresh.map(({ recordJson }) => JSON.parse(recordJson) as AppendedRecord));
        this.#accepted.set(spoolId, records.at(-1)?.sequence ?? known);
        return { accepted: this.#accepted.get(spoolId) ?? 0n };
      },
      query: async (request, call) => {
        own(call, request.organisation);
        this.asked.push(request);
        return { entries: [entry(request.organisation)], nextPageToken: 'n41' };
      },
      verify: async (request, call) => {
        own(call, request.organisation);
        this.asked.push(request);
        const right = { verified: 41n, position: 41n, hash: 'a'.repeat(64), firstPosition: 1n };
        if (this.problem !== undefined) return { ...right, problem: this.problem };
        return { ...right, nextPosition: request.fromPosition === 0n ? 42n : 0n };
      },
    });
  }
}

function entry(organisation: string) {
  const subject = {
    issuer: 'https://i',
    sub: 'ann',
    organisation,
    roles: ['member'],
    attributesJson: '{"team":"***"}',
  };
  return {
    ...{ id: 's.1.0', organisation, atMs: 1_790_000_000_000n, epoch: 3n, subject, action: 'infer' },
    ...{
      resource: '/models/acme/reader',
      owner: 'acme',
      contextJson: '{"zone":"***"}',
      allowed: true,
      code: 'allowed',
    },
    ...{ reason: 'so', rules: ['members'], grantId: 'grant_1', decisionId: 'd1', cached: true, count: 4 },
    ...{ point: 'gateway', position: 42n, hash: 'b'.repeat(64) },
  };
}
