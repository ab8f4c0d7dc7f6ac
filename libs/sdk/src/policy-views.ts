/** What the gateway tells of policy versions, the candidate, and simulations. */

export interface PolicyVersionView {
  readonly epoch: number;
  /** `sub (issuer)`, or `bootstrap`. */
  readonly writtenBy: string;
  readonly writtenAt: string | null;
  readonly note: string;
  readonly live: boolean;
  readonly policies: number;
  readonly grants: number;
}

/** One question that two sets answer differently. */
export interface PolicyFlipView {
  /** Of the caller. */
  readonly organisation: string;
  readonly subject: string;
  readonly action: string;
  readonly resource: string;
  readonly owner: string;
  readonly liveCode: string;
  readonly candidateCode: string;
  readonly liveReason: string;
  readonly candidateReason: string;
  readonly count: number;
  readonly lastAt: string | null;
}

export interface PolicyCandidateView {
  readonly id: string;
  readonly basedOnEpoch: number;
  readonly writtenBy: string;
  readonly writtenAt: string | null;
  readonly note: string;
  /** Live decisions that were held against it, and those that came too fast for that. */
  readonly compared: number;
  readonly skipped: number;
  readonly flipsToDeny: number;
  readonly flipsToAllow: number;
  /** Most frequent first. */
  readonly flips: readonly PolicyFlipView[];
}

export interface SimulationView {
  /** Decisions as they were made: a record that stands for several counts as many. */
  readonly replayed: number;
  readonly unchanged: number;
  /** The log masks what their answer may rest on. */
  readonly undecidable: number;
  readonly flipsToDeny: number;
  readonly flipsToAllow: number;
  readonly flips: readonly PolicyFlipView[];
  readonly flipsNotListed: number;
  /** There are more records than were replayed. */
  readonly truncated: boolean;
}
