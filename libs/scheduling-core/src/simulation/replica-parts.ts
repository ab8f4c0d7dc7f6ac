/** Everything one scheduler is made of, put together as the product does, over a simulated world. */
import { Claims } from '../engine/claims.js';
import { Controls } from '../engine/controls.js';
import { Credits } from '../engine/credits.js';
import { Deferrals } from '../engine/deferrals.js';
import type { DispatchSettings, LimitStore, Slices } from '../engine/dispatch-ports.js';
import { Dispatcher } from '../engine/dispatcher.js';
import type { Effects } from '../engine/effects.js';
import { Engine } from '../engine/engine.js';
import { Intake, type StartedReport } from '../engine/intake.js';
import { Keeper } from '../engine/keeper.js';
import { Limits } from '../engine/limits.js';
import type { EngineStore, Ownership } from '../engine/ports.js';
import { QueuedTasks } from '../engine/queued-tasks.js';
import { ReadyHeads } from '../engine/ready-heads.js';
import { Recovery } from '../engine/recovery.js';
import type { ReadyEntry } from '../engine/rows.js';
import { Scopes } from '../engine/scopes.js';
import { Sweeper, type OnMended } from '../engine/sweeper.js';
import { Timers } from '../engine/timers.js';
import { FairOrder } from '../fair-order.js';
import type { Payloads } from '../engine/payloads.js';
import { CogmeshError } from '@cogmesh/errors';
import type { SimulatedMessage, SimulatedResult } from './messages.js';
import type { Mutant } from './mutants.js';
import type { Observations } from './observations.js';
import type { SeededRandom } from './seeded-random.js';
import type { SimulatedProcess } from './process.js';
import type { SimulatedBus } from './simulated-bus.js';
import { SimulatedPublisher } from './simulated-publisher.js';
import { SimulatedTargets, type Portrait } from './simulated-registry.js';

export interface ReplicaSettings extends DispatchSettings {
  readonly leaseMs: number;
  readonly poisonAfter: number;
  readonly ageingMs: number;
  readonly maxResidentRows: number;
  readonly maxPayloadBytes: number;
}

export interface PartsOptions {
  readonly process: SimulatedProcess;
  readonly store: EngineStore;
  readonly limitStore: LimitStore;
  readonly bus: SimulatedBus<SimulatedMessage>;
  readonly random: SeededRandom;
  readonly settings: ReplicaSettings;
  readonly slices: Slices;
  readonly portraits: () => readonly Portrait[];
  readonly shared: ReadonlyMap<string, string>;
  readonly stop: (agentId: string, attemptId: string) => void;
  readonly observed: Observations;
  /** What is wrong with it. */
  readonly mutant: Mutant | undefined;
  /** What it owns now; asked before memory is read. */
  readonly owned: () => Promise<Ownership>;
  /** The sweeper found memory wrong. */
  readonly onMended: OnMended;
}

/** Nothing in a simulation is large. */
const noPayloads: Payloads = {
  load: () => Promise.reject(new CogmeshError('not_found', 'nothing is stored as a blob here')),
  store: () => Promise.reject(new CogmeshError('unavailable', 'nothing is stored as a blob here')),
};

export type Parts = ReturnType<typeof buildParts>;

const ignore = (): void => undefined;

/** More often than the product does: a seed lasts a minute or so. The second look is as late as a placement may be. */
const sweeping = { everyMs: 2_000, confirmMs: 7_000 };

function buildMemory(options: PartsOptions) {
  const { process, settings, limitStore, random, mutant } = options;
  const { clock } = process;
  const { ageingMs, maxResidentRows, maxPayloadBytes } = settings;
  const store = mutant?.store?.(options.store) ?? options.store;
  const engine = new Engine({ store, clock, random: random.next, ageingMs, maxResidentRows, maxPayloadBytes });
  mutant?.engine?.(engine);
  const order = new FairOrder<ReadyEntry>();
  const wake: { up: () => void } = { up: ignore };
  const limits = new Limits({ store: limitStore, order, clock, onOpen: () => wake.up() });
  const credits = new Credits(limits);
  const targets = new SimulatedTargets({ ...options, usage: () => credits });
  return { store, engine, order, limits, credits, targets, wake, queued: new QueuedTasks(clock.now) };
}

export function buildParts(options: PartsOptions) {
  const { process, random, settings, bus, mutant, observed } = options;
  const memory = buildMemory(options);
  const { store, engine, order, limits, credits, targets, wake, queued } = memory;
  const onUnblocked = (): void => wake.up();
  const deferrals = new Deferrals(process.clock);
  const scopes = new Scopes(engine.residents, noPayloads);
  const { startWithinMs } = settings;
  const publisher = new SimulatedPublisher({ engine, bus, process, startWithinMs, onUnblocked });
  const common = { engine, scopes, settings, deferrals, onTrouble: ignore, onDone: onUnblocked };
  const itemOutputs: EngineStore['itemOutputs'] = (runId, taskId) => store.itemOutputs(runId, taskId);
  const newRunId = (): string => `run-${hex(random)}`;
  const controls: Controls = new Controls({ ...common, payloads: noPayloads, itemOutputs, newRunId }, () => heads);
  const heads: ReadyHeads = new ReadyHeads({
    order, store, engine, preparation: controls, deferrals, headSize: settings.headSize, onOffer: onUnblocked,
    onTrouble: ignore,
  }); // prettier-ignore
  const newAttemptId = (): string => hex(random);
  const claims = new Claims({ ...common, targets, credits, publisher, heads, newAttemptId });
  const recovery = new Recovery({ ...common, credits, heads, controls, claims, publisher, busIsDurable: true });
  const dispatcher = new Dispatcher({
    engine, order, heads, controls, claims, targets, credits, publisher, recovery, deferrals,
    claimBatch: settings.claimBatch,
  }); // prettier-ignore
  wake.up = () => dispatcher.wake();
  const timers = buildTimers(options, memory);
  const keeper = buildKeeper(options, memory);
  const sweeper = new Sweeper({
    engine, store, order, heads, controls, claims, credits, timers, ...sweeping, onMended: options.onMended,
    onDone: onUnblocked, onTrouble: ignore,
  }); // prettier-ignore
  for (const listener of [keeper, queued, dispatcher, sweeper]) engine.listen(listener);
  engine.listen({ stored: (all) => tellStops(options, all) });
  const intake = new Intake({ engine, ...settings });
  const rightly = (message: SimulatedMessage): Promise<void> => take(intake, message);
  const hear = mutant?.hear?.(rightly, { engine, observed }) ?? rightly;
  const stop = async (): Promise<void> => {
    sweeper.stop();
    dispatcher.stop();
    publisher.stop();
    await keeper.stop();
    await timers.stop();
    await engine.close();
    limits.stop();
  };
  mutant?.parts?.({ order });
  return {
    engine, order, heads, claims, deferrals, limits, credits, publisher, queued, dispatcher, keeper, timers, sweeper, hear, stop,
  }; // prettier-ignore
}

function buildTimers({ settings }: PartsOptions, { engine, store }: ReturnType<typeof buildMemory>): Timers {
  const backoff = { next: () => 100, succeeded: ignore };
  return new Timers({ engine, store, ...settings, backoff, onError: ignore });
}

function buildKeeper(
  { process, slices, owned }: PartsOptions,
  { engine, limits, queued }: ReturnType<typeof buildMemory>,
) {
  engine.listen({ restored: () => limits.setSlices(slices) });
  const deferrals = new Deferrals(process.clock);
  return new Keeper({ engine, queued, deferrals, owned, before: () => limits.load(), onTrouble: ignore });
}

function tellStops({ stop, mutant }: PartsOptions, all: readonly Effects[]): void {
  if (mutant?.stopsNothing) return;
  for (const effects of all) for (const { agentId, attemptId } of effects.stop) stop(agentId, attemptId);
}

async function take(intake: Intake, message: SimulatedMessage): Promise<void> {
  if (message.kind === 'started') await intake.started(message.reports satisfies readonly StartedReport[]);
  if (message.kind === 'results') await intake.results(message.reports.map(reportOf));
}

function reportOf({ runId, attemptId, agentId, outcome }: SimulatedResult) {
  const said = outcome.case === 'error' ? { ...outcome, message: `it is ${outcome.code}` } : outcome;
  return { runId, attemptId, agentId, outcome: said, source: undefined };
}

/** 32 hexadecimal digits. */
function hex(random: SeededRandom): string {
  return Array.from({ length: 4 }, () => random.below(0x1_0000_0000).toString(16).padStart(8, '0')).join('');
}
