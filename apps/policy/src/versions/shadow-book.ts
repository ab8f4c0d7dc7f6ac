/**
 * Candidates, evaluated beside the live sets. A live decision is handed over after it was made and is compared later, when
 * the event loop has time; where too many come at once some are counted as skipped. Nothing here can change, delay or fail
 * a live decision.
 */
import { CogmeshError } from '@cogmesh/errors';
import {
  CandidateEngine,
  ownerOf,
  parsePolicySetText,
  type AccessRequest,
  type Decision,
  type OrganisationPolicies,
} from '@cogmesh/policy-core';
import type { Logger } from '@cogmesh/telemetry';
import { checkDocument, type GrantVerifier } from '../checked-policies.js';
import { FlipTally } from './flip-tally.js';
import { flipsKeptMax, shadowQueueMax, shadowSliceMax } from './limits.js';
import type { StoredCandidate, VersionStore } from './version-store.js';

export interface ShadowBookParts {
  readonly store: VersionStore;
  readonly verifier: GrantVerifier;
  readonly liveOf: (organisation: string) => OrganisationPolicies | undefined;
  readonly logger: Logger;
}

interface Candidate {
  readonly organisation: string;
  readonly id: string;
  readonly engine: CandidateEngine;
  tally: FlipTally;
  compared: number;
  skipped: number;
}

interface Observed {
  readonly request: AccessRequest;
  readonly live: Decision;
}

export class ShadowBook {
  readonly #parts: ShadowBookParts;
  readonly #candidates = new Map<string, Candidate>();
  #queue: Observed[] = [];
  #draining: Promise<void> | undefined;

  constructor(parts: ShadowBookParts) {
    this.#parts = parts;
  }

  /** Those with a candidate. */
  get organisations(): string[] {
    return [...this.#candidates.keys()];
  }

  /** Takes over the candidates of the database, and adds there what was counted here. */
  async refresh(): Promise<void> {
    await this.flush();
    const { store } = this.#parts;
    const ids = await store.candidateIds();
    for (const organisation of this.#candidates.keys())
      if (!ids.has(organisation)) this.#candidates.delete(organisation);
    for (const [organisation, id] of ids) {
      if (this.#candidates.get(organisation)?.id === id) continue;
      const stored = await store.candidate(organisation);
      if (stored !== undefined) await this.#take(stored);
    }
  }

  /** Keeps a live decision for comparison when one of its two organisations has a candidate. */
  observe(request: AccessRequest, live: Decision): void {
    const parties = this.#candidates.size === 0 ? [] : this.#concerned(request);
    if (parties.length === 0 || live.code === 'invalid_request') return;
    if (this.#queue.length >= shadowQueueMax) for (const candidate of parties) candidate.skipped++;
    else this.#queue.push({ request, live });
    this.#draining ??= this.#drain().finally(() => {
      this.#draining = undefined;
    });
  }

  /** Compares what waits, and adds the counts to those of the other instances. */
  async flush(): Promise<void> {
    await this.#draining;
    for (const candidate of this.#candidates.values()) await this.#flushOne(candidate);
  }

  async #flushOne(candidate: Candidate): Promise<void> {
    const { compared, skipped, tally } = candidate;
    if (compared + skipped === 0) return;
    candidate.compared = 0;
    candidate.skipped = 0;
    candidate.tally = new FlipTally(flipsKeptMax);
    try {
      const counts = { compared, skipped, flipsToDeny: tally.toDeny, flipsToAllow: tally.toAllow };
      await this.#parts.store.addTally(candidate.organisation, candidate.id, { tally: counts, flips: tally.flips() });
    } catch (thrown) {
      const { organisation } = candidate;
      this.#parts.logger.warn({ err: thrown, organisation }, 'what a candidate would have decided was not counted');
    }
  }

  async #take(stored: StoredCandidate): Promise<void> {
    const { organisation, id } = stored;
    const { verifier, liveOf, logger } = this.#parts;
    try {
      const checked = await checkDocument(organisation, parsePolicySetText(stored.documentJson), verifier);
      const engine = new CandidateEngine({ organisation, epoch: 1, ...checked }, liveOf);
      const tally = new FlipTally(flipsKeptMax);
      this.#candidates.set(organisation, { organisation, id, engine, tally, compared: 0, skipped: 0 });
    } catch (thrown) {
      if (!(thrown instanceof CogmeshError)) throw thrown;
      this.#candidates.delete(organisation);
      logger.warn({ err: thrown, organisation }, 'a stored candidate cannot be used');
    }
  }

  #concerned({ subject, resource, owner }: AccessRequest): Candidate[] {
    const parties = new Set([subject.organisation, ownerOf(resource) ?? (owner || subject.organisation)]);
    return [...parties].flatMap((name) => this.#candidates.get(name) ?? []);
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      await new Promise(setImmediate);
      for (const observed of this.#queue.splice(0, shadowSliceMax)) this.#compare(observed);
    }
  }

  #compare({ request, live }: Observed): void {
    for (const candidate of this.#concerned(request)) {
      candidate.compared++;
      const comparison = { request, live, candidate: candidate.engine.decide(request), count: 1 };
      candidate.tally.add({ ...comparison, atMs: request.nowMs });
    }
  }
}
