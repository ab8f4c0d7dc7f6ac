/** What the policy service keeps of an organisation's earlier sets, and of the one candidate that is tried beside the live set. */

export interface StoredVersion {
  readonly epoch: number;
  readonly writtenBy: string;
  /** Milliseconds since the epoch. */
  readonly writtenAt: number;
  readonly note: string;
  readonly live: boolean;
  readonly documentJson: string;
}

export interface VersionPage {
  readonly organisation: string;
  readonly limit: number;
  /** Only epochs below; 0 means from the newest. */
  readonly before: number;
}

export interface StoredCandidate {
  readonly organisation: string;
  /** ULID; another one at each put. */
  readonly id: string;
  readonly basedOnEpoch: number;
  readonly documentJson: string;
  readonly writtenBy: string;
  readonly writtenAt: number;
  readonly note: string;
  readonly tally: Tally;
}

/** How live decisions compared with the candidate's. */
export interface Tally {
  readonly compared: number;
  /** Not compared, because too many came at once. */
  readonly skipped: number;
  readonly flipsToDeny: number;
  readonly flipsToAllow: number;
}

/** One question that the two sets answer differently. */
export interface StoredFlip {
  /** Digest of what makes two flips the same. */
  readonly key: string;
  readonly callerOrganisation: string;
  readonly subject: string;
  readonly action: string;
  readonly resource: string;
  readonly owner: string;
  readonly liveCode: string;
  readonly candidateCode: string;
  readonly liveReason: string;
  readonly candidateReason: string;
  readonly count: number;
  readonly lastAt: number;
}

export type CandidateWrite = Pick<StoredCandidate, 'organisation' | 'id' | 'documentJson' | 'writtenBy' | 'note'>;

export interface VersionStore {
  /** Newest first. */
  versions(page: VersionPage): Promise<StoredVersion[]>;
  version(organisation: string, epoch: number): Promise<StoredVersion | undefined>;
  /** Replaces the organisation's candidate and forgets the flips of the earlier one. `not_found` without such an organisation. */
  putCandidate(write: CandidateWrite): Promise<StoredCandidate>;
  /** Organisation -> id of its candidate. */
  candidateIds(): Promise<ReadonlyMap<string, string>>;
  candidate(organisation: string): Promise<StoredCandidate | undefined>;
  /** Whether it was still there. With an id only that one is dropped. */
  dropCandidate(organisation: string, id?: string): Promise<boolean>;
  /** Adds to the counts; of a candidate that is gone nothing is kept. */
  addTally(
    organisation: string,
    id: string,
    more: { readonly tally: Tally; readonly flips: readonly StoredFlip[] },
  ): Promise<void>;
  /** Most frequent first. */
  flips(candidateId: string): Promise<StoredFlip[]>;
}
