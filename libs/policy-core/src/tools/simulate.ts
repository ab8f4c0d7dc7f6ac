/**
 * Decides recorded requests again under another policy set and finds those whose answer flips. A record may not hold all
 * that was looked at, since the log masks what could be personal: when the set under test reads a masked value, nobody
 * can tell what it would have said, and the record is counted as undecidable instead of being guessed.
 */
import { DecisionEngine } from '../decision-engine.js';
import { ownerOf } from '../resource-path.js';
import type { AccessRequest, Decision, DecisionCode, OrganisationPolicies, Reads } from '../types.js';

/** A decision that was made, as the decision log keeps it. */
export interface RecordedDecision {
  readonly id: string;
  readonly request: AccessRequest;
  readonly allowed: boolean;
  readonly code: DecisionCode;
  readonly reason: string;
  /** How many equal decisions the record stands for. */
  readonly count: number;
  /** Milliseconds since the epoch. */
  readonly atMs: number;
  /** Names whose values the log does not hold; `*` where it does not even hold the names. */
  readonly masked: Reads;
}

export interface SimulatedFlip {
  readonly recorded: RecordedDecision;
  readonly candidate: Decision;
}

export type Verdict = 'unchanged' | 'undecidable' | SimulatedFlip;

/** The candidate of one organisation among the live sets of the others, which are taken in as they are asked for. */
export class CandidateEngine {
  readonly #engine = new DecisionEngine();
  readonly #candidate: OrganisationPolicies;
  readonly #liveOf: (organisation: string) => OrganisationPolicies | undefined;

  /** `invalid_policy` when the candidate does not load. `liveOf` answers undefined for an organisation that is not there. */
  constructor(candidate: OrganisationPolicies, liveOf: (organisation: string) => OrganisationPolicies | undefined) {
    this.#candidate = candidate;
    this.#liveOf = liveOf;
    this.#engine.replace(candidate);
  }

  decide(request: AccessRequest): Decision {
    const { organisation } = request.subject;
    for (const party of new Set([organisation, ownerOf(request.resource) ?? (request.owner || organisation)]))
      this.#take(party);
    return this.#engine.decide(request);
  }

  /** Follows the live set, which may have changed or gone since the last question. */
  #take(organisation: string): void {
    if (organisation === this.#candidate.organisation) return;
    const live = this.#liveOf(organisation);
    if (live === undefined) this.#engine.remove(organisation);
    else if (live.epoch !== this.#engine.epochOf(organisation)) {
      this.#engine.remove(organisation);
      this.#engine.replace(live);
    }
  }
}

/** What the candidate makes of a recorded decision. */
export function verdictOn(engine: CandidateEngine, recorded: RecordedDecision): Verdict {
  const candidate = engine.decide(recorded.request);
  if (readsMasked(candidate.reads, recorded.masked)) return 'undecidable';
  return candidate.allowed === recorded.allowed ? 'unchanged' : { recorded, candidate };
}

function readsMasked(reads: Reads, masked: Reads): boolean {
  return (['attributes', 'context', 'resourceAttributes'] as const).some((map) => {
    const all = reads[map].includes('*') || masked[map].includes('*');
    if (all) return reads[map].length > 0 && masked[map].length > 0;
    return reads[map].some((name) => masked[map].includes(name));
  });
}
