/** Limits, schedules, webhooks and dead letters as the gateway answers them. Times are ISO 8601. */
import type { RunDocument } from './run-document.js';
import type { ErrorView, RunState } from './run-view.js';

export interface WaitingView {
  /** Null when the task does not wait. */
  readonly waiting: { readonly code: string; readonly message: string } | null;
  /** Place in the order of its organisation, from 1; 0 when it is not in it. */
  readonly position: number;
  /** Until it starts, milliseconds; 0 when nobody knows. */
  readonly estimateMs: number;
}

export type ScopeKind = 'organisation' | 'capability' | 'group';

/** 0 means no limit (of `weight`: 1). */
export interface LimitsView {
  /** Attempts at once. */
  readonly maxInFlight: number;
  /** Starts per second, and how many may come at once. */
  readonly ratePerSecond: number;
  readonly burst: number;
  /** Unfinished tasks of an organisation; a submit beyond is refused. */
  readonly maxQueued: number;
  /** Share between organisations, 1 to 1,000. */
  readonly weight: number;
  readonly serviceClass: number;
  /** Shards over which new runs of the organisation are spread; 0 when it has never been split. */
  readonly parts: number;
}

export interface ScopeView {
  readonly kind: ScopeKind;
  readonly name: string;
  readonly organisation: string;
  readonly limits: LimitsView;
  readonly paused: boolean;
  readonly usage: { readonly inFlight: number; readonly queued: number } | null;
}

export interface ScheduleDefinition {
  /** Five or six fields. */
  readonly cron: string;
  /** IANA name. Default UTC. */
  readonly timeZone?: string;
  /** `${{ schedule.time }}` is the time it fires for. */
  readonly document: RunDocument;
  /** What becomes of times that passed while nobody was there. Default `once`. */
  readonly misfire?: 'skip' | 'once' | 'all';
  /** For `all`, at most this many. Default 10. */
  readonly maxMisfires?: number;
  /** What becomes of a time while the last run is unfinished. Default `skip`. */
  readonly overlap?: 'skip' | 'allow' | 'queue' | 'cancel';
  readonly paused?: boolean;
}

export interface ScheduleView extends Required<ScheduleDefinition> {
  readonly id: string;
  readonly name: string;
  readonly organisation: string;
  readonly nextAt: string | null;
  readonly lastAt: string | null;
  readonly lastRun: string | null;
  /** Why the last firing made no run. */
  readonly lastError: ErrorView | null;
  readonly createdBy: string;
  /** The next times, at most 10; only of a single schedule. */
  readonly upcoming?: readonly string[];
}

export interface WebhookDefinition {
  readonly url: string;
  /** Default: every end of a run. */
  readonly states?: readonly RunState[];
  /** Only runs that carry all of these. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly paused?: boolean;
}

export interface WebhookView extends Required<WebhookDefinition> {
  readonly id: string;
  readonly organisation: string;
  /** Base64; only in the answer that makes the webhook. */
  readonly secret?: string;
}

export interface DeliveryView {
  readonly id: string;
  readonly webhook: string;
  readonly run: string;
  readonly attempt: number;
  /** HTTP status; 0 when there was no answer. */
  readonly status: number;
  readonly error: string;
  readonly delivered: boolean;
  readonly nextAt: string | null;
}

export interface DeadLetterView {
  readonly id: string;
  readonly queue: string;
  readonly reason: string;
  readonly messageType: string;
  readonly receivedAt: string | null;
  /** Base64. */
  readonly body: string;
}
