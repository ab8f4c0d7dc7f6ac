/** What a batcher has done so far, for portraits and metrics. Counts never reset; the latency forgets. */

export interface BatcherFigures {
  readonly queued: number;
  readonly running: number;
  readonly requests: number;
  readonly batches: number;
  readonly failed: number;
  readonly refused: number;
  /** Moving average of a batch's run time, milliseconds; 0 before the first. */
  readonly latencyMs: number;
}

/** Weight of the newest run in the moving average: about the last ten runs count. */
const newestWeight = 0.2;

export class BatcherStatistics {
  private requests = 0;
  private batches = 0;
  private failures = 0;
  private refusals = 0;
  private latencyMs = 0;

  refused(): void {
    this.refusals += 1;
  }

  ran(batch: { items: number; runMs: number; failed: number }): void {
    this.latencyMs = this.batches === 0 ? batch.runMs : this.latencyMs + newestWeight * (batch.runMs - this.latencyMs);
    this.batches += 1;
    this.requests += batch.items;
    this.failures += batch.failed;
  }

  figures(now: { queued: number; running: number }): BatcherFigures {
    const { requests, batches, failures: failed, refusals: refused, latencyMs } = this;
    return { ...now, requests, batches, failed, refused, latencyMs };
  }
}
