import { policyAuditV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { implement, type ServiceBinding } from '@cogmesh/rpc';

interface Appended {
  readonly point: string;
  readonly subject: { readonly sub: string };
  readonly decisions: readonly { readonly action: string; readonly resource: string; readonly code: string }[];
}

/** The part of the policy service that takes decisions, as its contract says: each record of a spool once. */
export class AuditService {
  readonly records: Appended[] = [];
  answers = true;
  readonly #accepted = new Map<string, bigint>();

  binding(): ServiceBinding {
    const notHere = () => Promise.reject(new CogmeshError('unimplemented', 'decisions are only taken here'));
    return implement(policyAuditV1.AuditService, {
      append: async ({ spoolId, records }) => {
        if (!this.answers) throw new CogmeshError('unavailable', 'down for the test');
        const known = this.#accepted.get(spoolId) ?? 0n;
        const fresh = records.filter(({ sequence }) => sequence > known);
        this.records.push(...fresh.map(({ recordJson }) => JSON.parse(recordJson) as Appended));
        this.#accepted.set(spoolId, records.at(-1)?.sequence ?? known);
        return { accepted: this.#accepted.get(spoolId) ?? 0n };
      },
      query: notHere,
      verify: notHere,
    });
  }

  /** `point: who action resource code`. */
  get lines(): string[] {
    return this.records.flatMap(({ point, subject, decisions }) =>
      decisions.map(({ action, resource, code }) => `${point}: ${subject.sub} ${action} ${resource} ${code}`),
    );
  }
}
