/**
 * Everything one scheduler decides with, put together once: the product gives it a database, a broker and agents, the
 * simulation gives it a world of its own, and both run these very parts.
 */
import { FairOrder } from '../fair-order.js';
import { Claims } from './claims.js';
import { Controls } from './controls.js';
import { Credits, type AttemptClock } from './credits.js';
import { Deferrals } from './deferrals.js';
import type { DispatchSettings, LimitStore, OnTrouble, Publisher, Targets } from './dispatch-ports.js';
import { Dispatcher } from './dispatcher.js';
import { Engine } from './engine.js';
import { Intake } from './intake.js';
import { Keeper } from './keeper.js';
import { Limits } from './limits.js';
import type { Payloads } from './payloads.js';
import type { AssertTaken } from './prepare-input.js';
import type { Clock, EngineStore, Ownership } from './ports.js';
import { QueuedTasks } from './queued-tasks.js';
import { ReadyHeads } from './ready-heads.js';
import { Recovery } from './recovery.js';
import type { ReadyEntry } from './rows.js';
import { Scopes } from './scopes.js';
import type { SweepParts } from './sweep.js';
import { defaultConfirmMs, defaultSweepMs, Sweeper, type OnMended } from './sweeper.js';
import { Timers, type TimersOptions } from './timers.js';

export interface SchedulingSettings extends DispatchSettings {
  /** Of running work, milliseconds. */
  readonly leaseMs: number;
  /** Attempts of one task lost with their agents before it is taken for the cause. */
  readonly poisonAfter: number;
  /** Waiting that is worth one priority, milliseconds. */
  readonly ageingMs: number;
  /** Task rows in memory beyond which unused runs are put out. */
  readonly maxResidentRows: number;
  /** Bytes of outputs and items in memory beyond which the oldest are put out. */
  readonly maxPayloadBytes: number;
  /** Between two comparisons of memory with the store, milliseconds. */
  readonly sweepMs?: number;
}

export interface SchedulingOptions {
  readonly settings: SchedulingSettings;
  readonly store: EngineStore;
  readonly limitStore: LimitStore;
  readonly payloads: Payloads;
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random: () => number;
  readonly newRunId: () => string;
  readonly newAttemptId: (shard: number) => string;
  /** Who can take work, by the credits that are in use. */
  readonly targets: (credits: Credits) => Targets;
  /** `onUnblocked`: the broker takes messages again. */
  readonly publisher: (engine: Engine, onUnblocked: () => void) => Publisher;
  /** What was published before this process started is still there. */
  readonly busIsDurable: boolean;
  /** What this process owns now; asked before memory is read. */
  readonly owned: () => Ownership | Promise<Ownership>;
  /** Rests of timers and polls after failures in a row. */
  readonly backoff: TimersOptions['backoff'];
  /** Told when attempts begin and end. */
  readonly attemptClock?: AttemptClock;
  /** Throws `invalid_input` for an input that no agent takes. */
  readonly assertTaken?: AssertTaken;
  /** The dispatch span of an attempt, where its row does not hold it yet. */
  readonly traceOf?: (attemptId: string) => string | undefined;
  readonly onTrouble: OnTrouble;
  /** Memory was wrong: a defect. */
  readonly onMended?: OnMended;
}

export type Scheduling = ReturnType<typeof assembleScheduling>;

function assembleMemory(options: SchedulingOptions) {
  const { store, clock, random, settings, limitStore, attemptClock } = options;
  const { ageingMs, maxResidentRows, maxPayloadBytes } = settings;
  const engine = new Engine({ store, clock, random, ageingMs, maxResidentRows, maxPayloadBytes });
  const order = new FairOrder<ReadyEntry>();
  const wake = { up: (): void => undefined };
  const limits = new Limits({ store: limitStore, order, clock, onOpen: () => wake.up() });
  const credits = new Credits(limits, attemptClock);
  return {
    engine,
    order,
    limits,
    credits,
    targets: options.targets(credits),
    wake,
    queued: new QueuedTasks(() => clock.now()),
  };
}

/** Nothing happens until `keeper.read()`. */
export function assembleScheduling(options: SchedulingOptions) {
  const { store, payloads, clock, settings, newRunId, newAttemptId, busIsDurable, onTrouble } = options;
  const memory = assembleMemory(options);
  const { engine, order, limits, credits, targets, wake, queued } = memory;
  const onUnblocked = (): void => wake.up();
  const publisher = options.publisher(engine, onUnblocked);
  const deferrals = new Deferrals(clock);
  const scopes = new Scopes(engine.residents, payloads);
  const common = { engine, scopes, settings, deferrals, onTrouble, onDone: onUnblocked };
  const itemOutputs: EngineStore['itemOutputs'] = (runId, taskId) => store.itemOutputs(runId, taskId);
  const controls: Controls = new Controls({ ...common, payloads, itemOutputs, newRunId }, () => heads);
  const { headSize, claimBatch } = settings;
  const heads: ReadyHeads = new ReadyHeads({
    order,
    store,
    engine,
    preparation: controls,
    deferrals,
    headSize,
    onOffer: onUnblocked,
    onTrouble,
  });
  const claims = new Claims({
    ...common,
    targets,
    credits,
    publisher,
    heads,
    newAttemptId,
    assertTaken: options.assertTaken,
  });
  const recovery = new Recovery({ ...common, credits, heads, controls, claims, publisher, busIsDurable });
  const parts = { engine, order, heads, controls, claims, targets, credits, publisher, recovery, deferrals };
  const dispatcher = new Dispatcher({ ...parts, claimBatch });
  wake.up = () => dispatcher.wake();
  const timers = new Timers({
    engine,
    store,
    ...settings,
    backoff: options.backoff,
    onError: onTimerTrouble(onTrouble),
  });
  const keeper = assembleKeeper(options, memory);
  const sweeper = assembleSweeper(options, { ...parts, timers }, onUnblocked);
  for (const listener of [keeper, queued, dispatcher, sweeper]) engine.listen(listener);
  const intake = new Intake({ engine, ...settings, ...(options.traceOf ? { traceOf: options.traceOf } : {}) });
  const stop = async (): Promise<void> => {
    sweeper.stop();
    dispatcher.stop();
    await keeper.stop();
    await timers.stop();
  };
  return { ...parts, limits, queued, dispatcher, timers, keeper, sweeper, intake, stop };
}

function assembleKeeper(
  { clock, owned, onTrouble }: SchedulingOptions,
  { engine, queued, limits }: ReturnType<typeof assembleMemory>,
): Keeper {
  return new Keeper({ engine, queued, deferrals: new Deferrals(clock), owned, before: () => limits.load(), onTrouble });
}

function assembleSweeper(
  { settings, store, onMended = () => undefined, onTrouble }: SchedulingOptions,
  parts: Omit<SweepParts, 'store'>,
  onDone: () => void,
): Sweeper {
  const { sweepMs: everyMs = defaultSweepMs } = settings;
  return new Sweeper({ ...parts, store, everyMs, confirmMs: defaultConfirmMs, onMended, onDone, onTrouble });
}

const onTimerTrouble =
  (onTrouble: OnTrouble): TimersOptions['onError'] =>
  (error) =>
    onTrouble(error, 'timers');
