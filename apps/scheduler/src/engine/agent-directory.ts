/**
 * The agents as the registry last told. While the registry does not answer the last answer is kept for a bounded time:
 * agents outlive a restart of the registry, but nobody is trusted to be alive for ever.
 */
import { parseNeed } from '@cogmesh/scheduling-core';
import { matchCapability, offeredVersions, type Candidate, type RoutableAgent } from '@cogmesh/routing-core';

export interface AgentSource {
  list(): Promise<RoutableAgent[]>;
}

export interface AgentDirectoryOptions {
  readonly source: AgentSource;
  /** How long the last answer is used, milliseconds. */
  readonly staleAfterMs: number;
  /** How long an agent may be missing from answers before its unstarted work is taken back, milliseconds. */
  readonly missingAfterMs: number;
  /** Monotonic, milliseconds. */
  readonly nowMs: () => number;
}

export class AgentDirectory {
  readonly #options: AgentDirectoryOptions;
  #agents = new Map<string, RoutableAgent>();
  readonly #missingSince = new Map<string, number>();
  readonly #candidates = new Map<string, Candidate[]>();
  #refreshedAt: number | undefined;

  constructor(options: AgentDirectoryOptions) {
    this.#options = options;
  }

  /** Asks the registry. Rejects when it does not answer; what was known stays. */
  async refresh(): Promise<void> {
    const agents = await this.#options.source.list();
    this.#refreshedAt = this.#options.nowMs();
    this.#agents = new Map(agents.map((agent) => [agent.id, agent]));
    this.#candidates.clear();
  }

  /** Whether the registry has answered recently enough to act on. */
  get isFresh(): boolean {
    return this.#refreshedAt !== undefined && this.#options.nowMs() - this.#refreshedAt <= this.#options.staleAfterMs;
  }

  agents(): Iterable<RoutableAgent> {
    return this.isFresh ? this.#agents.values() : [];
  }

  /** Ready agents for a need; looked up once per answer of the registry. */
  candidates(need: string): readonly Candidate[] {
    if (!this.isFresh) return [];
    const known = this.#candidates.get(need);
    if (known) return known;
    // A canonical `uses` names its organisation, so nobody's own has to complete it.
    const { uses, labels } = parseNeed(need);
    const found = matchCapability(uses, '', this.#agents.values()).filter(({ agent }) =>
      labels.every(([label, value]) => agent.labels?.[label] === value),
    );
    this.#candidates.set(need, found);
    return found;
  }

  offered(uses: string): string[] {
    return offeredVersions(uses, '', this.agents());
  }

  /** Of `holders`, the agents that are gone: said so by the registry, or missing from its answers for too long. */
  gone(holders: Iterable<string>): string[] {
    if (this.#refreshedAt === undefined) return [];
    const now = this.#options.nowMs();
    return [...holders].filter((id) => {
      const agent = this.#agents.get(id);
      if (agent) this.#missingSince.delete(id);
      if (agent) return agent.state === 'LOST' || agent.state === 'GONE';
      const since = this.#missingSince.get(id) ?? now;
      this.#missingSince.set(id, since);
      return now - since >= this.#options.missingAfterMs;
    });
  }

  /** Forgets how long agents that hold nothing have been missing. */
  forgetAllBut(holders: ReadonlySet<string>): void {
    for (const id of this.#missingSince.keys()) if (!holders.has(id)) this.#missingSince.delete(id);
  }
}
