/** What the dispatching half of the engine needs of the world: who can take work, who carries it there, what limits hold. */
import type { RunLimits } from '../limits.js';
import type { TaskPlan } from '../run-plan.js';
import type { ScopeName } from '../scope-keys.js';
import type { Target } from './credits.js';
import type { PreparedInput } from './prepare-input.js';
import type { RunRow, TaskRow } from './rows.js';

/** Agents and their free credits, from memory. */
export interface Targets {
  /** Whether something with this need (as `needOf` writes it) could go out now. */
  hasRoom(need: string): boolean;
  /** Where it goes; undefined when there is no room. The caller holds a credit there before it asks again. */
  choose(need: string): Target | undefined;
}

export type ClaimedRow = TaskRow & { readonly attemptId: string };

/** A stored claim with everything its message needs. */
export interface Publication {
  /** A copy, as it was claimed. */
  readonly row: ClaimedRow;
  readonly target: Target;
  readonly plan: TaskPlan;
  readonly input: PreparedInput;
  readonly run: Pick<RunRow, 'traceparent' | 'totalTasks' | 'submitter'>;
}

/** Carries claimed work to agents; never claims, never waits for anybody. */
export interface Publisher {
  /** The broker takes nothing now: nothing new is to be claimed. */
  readonly isBlocked: boolean;
  /** Attempts that are on their way. */
  publishing(): ReadonlySet<string>;
  /** Publishes in the background, as long as the attempts are held. */
  send(works: readonly Publication[]): void;
}

/** Something did not work and is tried again. `what`: the piece of work, in a few words. */
export type OnTrouble = (error: unknown, what: string) => void;

/** What is asked of a scope; 0 means none, for `weight` 1. */
export interface ScopeLimits {
  readonly maxInFlight: number;
  readonly ratePerSecond: number;
  readonly burst: number;
  readonly maxQueued: number;
  readonly weight: number;
  readonly serviceClass: number;
  /** Shards an organisation is spread over; 1 when it no longer is; none, or 0, when it never was. */
  readonly parts?: number;
}

export interface StoredScope extends ScopeName {
  readonly limits: ScopeLimits;
  readonly paused: boolean;
}

/** Limits, shares and pauses as stored. */
export interface LimitStore {
  all(): Promise<StoredScope[]>;
  save(scope: StoredScope, changedBy: string): Promise<void>;
}

/** What of something global this replica may use; all replicas' slices together never exceed the whole. */
export interface Slices {
  /** Attempts at once in a scope, as `scopeKey` names it. */
  inFlight(scope: string, whole: number): number;
  /** Starts per second in a scope. */
  rate(scope: string, whole: number): number;
  /** Attempts at once of one agent. */
  credits(agentId: string, capability: string, whole: number): number;
  /** Part of an organisation that is decided for here, above 0. */
  share?(organisation: string): number;
}

/** Of a replica that is alone. */
export const wholeSlices: Slices = {
  inFlight: (_scope, whole) => whole,
  rate: (_scope, whole) => whole,
  credits: (_agentId, _capability, whole) => whole,
};

export interface DispatchSettings {
  /** Tasks claimed by one decision. */
  readonly claimBatch: number;
  /** Ready tasks of one lane that are held in memory; a lane holds up to twice as many for a while. */
  readonly headSize: number;
  /** A published task that nobody started by then is taken back, milliseconds. */
  readonly startWithinMs: number;
  /** Bytes of JSON beyond which an output is stored as a blob. */
  readonly maxInlineBytes: number;
  readonly limits: Pick<RunLimits, 'maxExpressionSteps' | 'maxExpandedTasks' | 'maxDurationMs'>;
}

export const defaultHeadSize = 1_000;

/** Work is taken back this much after its `notAfter`, so that an agent whose clock is a little behind is not overtaken. */
export const expiryGraceMs = 1_000;
