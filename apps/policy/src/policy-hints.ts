/** Tells the others that there is something new. Hints only: whoever misses one finds out at the next heartbeat. */
export interface PolicyHints {
  bundlePublished(organisation: string, epoch: number): Promise<void>;
  issuersChanged(): Promise<void>;
  /** The list of revocations is at this epoch. */
  revocationsChanged(epoch: number): Promise<void>;
}
