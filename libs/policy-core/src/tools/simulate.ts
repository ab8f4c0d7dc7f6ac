/**
 * Decides recorded requests again under another policy set and finds those whose answer flips. A record may not hold all
 * that was looked at, since the log masks what could be personal: when the set under test reads a masked value, nobody
 * can tell what it would have said, and the record is counted as undecidable instead of being guessed.
 */
import { DecisionEngine } from '../decision-engine.js';
import type { AccessRequest, Decision, DecisionCode, OrganisationPolicies } from '../types.js';

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
  /** Names whose values the log does not hold: members of `attributes`, `context` and `resourceAttributes`. */
  readonly masked: readonly string[];
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

  decide(request: AccessRequest, owner: string): Decision {
    this.#take(request.subject.organisation);
    this.#take(owner);
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

/** What the candidate makes of a recorded decision. `owner`: organisation that owns the resource of the record. */
export function verdictOn(engine: CandidateEngine, recorded: RecordedDecision, owner: string): Verdict {
  const candidate = engine.decide(recorded.request, owner);
  if (readsMasked(candidate, recorded.masked)) return 'undecidable';
  return candidate.allowed === recorded.allowed ? 'unchanged' : { recorded, candidate };
}

function readsMasked({ reads }: Decision, masked: readonly string[]): boolean {
  if (masked.length === 0) return false;
  const read = [...reads.attributes, ...reads.context, ...reads.resourceAttributes];
  return read.includes('*') || read.some((name) => masked.includes(name));
}
