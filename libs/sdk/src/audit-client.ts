/** The part of the client for the decision log. `CogmeshClient.audit` is one. */
import type { AuditAnchor, AuditFilter, AuditPageView, AuditVerificationView } from './audit-views.js';
import type { CallScope, HttpTransport } from './http-transport.js';

interface VerifiedPart extends AuditVerificationView {
  readonly next: number | null;
}

const flagOf = (set: boolean | undefined): string | undefined => (set === true ? 'true' : undefined);

export class AuditClient {
  readonly #http: HttpTransport;

  constructor(http: HttpTransport) {
    this.#http = http;
  }

  /** Decisions about the organisation's people and about what it owns. */
  list({ signal, ...filter }: AuditFilter & CallScope = {}): Promise<AuditPageView> {
    const { after, before, oldestFirst, denied, cross, ...exact } = filter;
    const query = {
      ...exact,
      after: after?.toISOString(),
      before: before?.toISOString(),
      oldestFirst: flagOf(oldestFirst),
      denied: flagOf(denied),
      cross: flagOf(cross),
    };
    const scope = signal === undefined ? {} : { signal };
    return this.#http.json({ method: 'GET', path: '/v1/audit', query, repeatable: true, ...scope });
  }

  /** Has the whole chain computed anew, part by part; `known` is what an earlier verification ended with. */
  async verify({ known, signal }: CallScope & { readonly known?: AuditAnchor } = {}): Promise<AuditVerificationView> {
    const scope = signal === undefined ? {} : { signal };
    const kept = known === undefined ? {} : { knownPosition: known.position, knownHash: known.hash };
    let verified = 0;
    let from: number | undefined;
    for (;;) {
      const query = { ...kept, from };
      const about = { method: 'GET', path: '/v1/audit/verification', query, repeatable: true } as const;
      const { next, ...part } = await this.#http.json<VerifiedPart>({ ...about, ...scope });
      verified += part.verified;
      if (next === null) return { ...part, verified };
      from = next;
    }
  }
}
