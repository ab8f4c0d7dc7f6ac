/** The part of the client for the life of a policy set: versions, rollback, the candidate, simulation. `CogmeshClient.policies` is one. */
import { path, type CallScope, type HttpTransport } from './http-transport.js';
import type { PolicyCandidateView, PolicyVersionView, SimulationView } from './policy-views.js';

const jsonHeaders = { 'content-type': 'application/json' };

interface Guarded extends CallScope {
  /** Epoch the change is based on: `conflict` when somebody was faster. */
  readonly expectedEpoch?: number;
}

export class PolicyClient {
  readonly #http: HttpTransport;

  constructor(http: HttpTransport) {
    this.#http = http;
  }

  /** Newest first, at most `limit` (default 50). */
  async versions({ limit, signal }: CallScope & { readonly limit?: number } = {}): Promise<
    readonly PolicyVersionView[]
  > {
    const scope = signal === undefined ? {} : { signal };
    const where = { method: 'GET', path: '/v1/policies/versions', query: { limit }, repeatable: true } as const;
    return (await this.#http.json<{ versions: readonly PolicyVersionView[] }>({ ...where, ...scope })).versions;
  }

  version(
    epoch: number,
    scope: CallScope = {},
  ): Promise<{ readonly version: PolicyVersionView; readonly policySet: unknown }> {
    const where = path`/v1/policies/versions/${String(epoch)}`;
    return this.#http.json({ method: 'GET', path: where, repeatable: true, ...scope });
  }

  /** Puts the policies of an older epoch in force again, as the next epoch; the grants stay as they are. */
  rollback(toEpoch: number, options: Guarded = {}): Promise<{ readonly epoch: number }> {
    return this.#write('/v1/policies/rollback', { toEpoch }, options);
  }

  /** Has a set evaluated beside the live one. Replaces an earlier candidate and its counts. */
  putCandidate(
    policySet: unknown,
    { note, ...scope }: CallScope & { readonly note?: string } = {},
  ): Promise<PolicyCandidateView> {
    const body = JSON.stringify(policySet);
    const about = { method: 'PUT', path: '/v1/policies/candidate', query: { note }, headers: jsonHeaders } as const;
    return this.#http.json({ ...about, body, repeatable: true, ...scope });
  }

  /** `not_found` when there is none. */
  candidate(scope: CallScope = {}): Promise<{ readonly candidate: PolicyCandidateView; readonly policySet: unknown }> {
    return this.#http.json({ method: 'GET', path: '/v1/policies/candidate', repeatable: true, ...scope });
  }

  async dropCandidate(scope: CallScope = {}): Promise<void> {
    const about = { method: 'DELETE', path: '/v1/policies/candidate', repeatable: true } as const;
    const response = await this.#http.send({ ...about, ...scope });
    await response.body?.cancel();
  }

  /** Puts the candidate of this id in force. */
  promote(candidate: string, options: Guarded = {}): Promise<{ readonly epoch: number }> {
    return this.#write('/v1/policies/candidate/promote', { candidate }, options);
  }

  /** Replays the decision log under a set, or under the candidate. Changes nothing. */
  simulate(
    request: { readonly policySet?: unknown; readonly from?: Date; readonly to?: Date; readonly limit?: number } = {},
    scope: CallScope = {},
  ): Promise<SimulationView> {
    const about = { method: 'POST', path: '/v1/policies/simulate', headers: jsonHeaders, repeatable: true } as const;
    return this.#http.json({ ...about, body: JSON.stringify(request), ...scope });
  }

  /** Not repeated: a second one would find the first in its way. */
  #write<T>(where: string, body: unknown, { expectedEpoch, ...scope }: Guarded): Promise<T> {
    const guard = expectedEpoch === undefined ? {} : { 'if-match': `"${expectedEpoch}"` };
    const headers = { ...jsonHeaders, ...guard };
    const about = { method: 'POST', path: where, headers, repeatable: false } as const;
    return this.#http.json({ ...about, body: JSON.stringify(body), ...scope });
  }
}
