/** A webhook as stored. */
export interface WebhookRow {
  readonly id: string;
  readonly organisation: string;
  readonly url: string;
  /** JSON list of run states; empty means every terminal one. */
  readonly states: string;
  /** JSON object of texts that a run must carry. */
  readonly labels: string;
  /** Base64 of 32 random bytes. */
  readonly secret: string;
  /** 0 or 1. */
  readonly paused: number;
}

/** What one webhook is told of one state of one run. Times are milliseconds since the epoch by the database's clock. */
export interface DeliveryRow {
  readonly id: string;
  readonly webhookId: string;
  readonly organisation: string;
  readonly runId: string;
  /** The JSON that is sent, the same at every attempt. */
  readonly body: string;
  /** Attempts begun so far. */
  readonly attempt: number;
  /** HTTP status of the newest attempt; 0 when there was no answer. */
  readonly status: number;
  /** Why the newest attempt failed; empty when it did not. */
  readonly error: string;
  /** 0 or 1. */
  readonly delivered: number;
  /** When it is tried again; null when it is over. */
  readonly dueAt: number | null;
}
