/** The very parts of the product's scheduler over a simulated world, with a wrap where a mutant wants one. */
import { CogmeshError } from '@cogmesh/errors';
import type { LimitStore, Slices } from '../engine/dispatch-ports.js';
import type { Effects } from '../engine/effects.js';
import type { Engine } from '../engine/engine.js';
import type { Intake, StartedReport } from '../engine/intake.js';
import type { Payloads } from '../engine/payloads.js';
import type { EngineStore, Ownership } from '../engine/ports.js';
import { assembleScheduling, type Scheduling, type SchedulingSettings } from '../engine/scheduling.js';
import type { OnMended } from '../engine/sweeper.js';
import { attemptIdOf } from '../shards.js';
import type { SimulatedMessage, SimulatedResult } from './messages.js';
import type { Mutant } from './mutants.js';
import type { Observations } from './observations.js';
import type { SimulatedProcess } from './process.js';
import type { SeededRandom } from './seeded-random.js';
import type { SimulatedBus } from './simulated-bus.js';
import { SimulatedPublisher } from './simulated-publisher.js';
import { SimulatedTargets, type Portrait } from './simulated-registry.js';

export interface PartsOptions {
  readonly process: SimulatedProcess;
  readonly store: EngineStore;
  readonly limitStore: LimitStore;
  readonly bus: SimulatedBus<SimulatedMessage>;
  readonly random: SeededRandom;
  readonly settings: SchedulingSettings;
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

const ignore = (): void => undefined;

export interface Parts extends Omit<Scheduling, 'stop'> {
  /** Takes reports from the bus; resolves when they may be acknowledged. */
  readonly hear: (message: SimulatedMessage) => Promise<void>;
  /** Everything decided is stored; nothing more is decided. */
  readonly stop: () => Promise<void>;
}

export function buildParts(options: PartsOptions): Parts {
  const { process, random, settings, mutant, observed, slices, limitStore, owned, onMended } = options;
  let publisher: SimulatedPublisher | undefined;
  const parts: Scheduling = assembleScheduling({
    settings,
    limitStore,
    owned,
    onMended,
    store: mutant?.store?.(options.store) ?? options.store,
    payloads: noPayloads,
    clock: process.clock,
    random: random.next,
    newRunId: () => `run-${hex(random)}`,
    newAttemptId: (shard) => attemptIdOf(shard, hex(random)),
    targets: (credits) => new SimulatedTargets({ ...options, usage: () => credits }),
    publisher: (engine, onUnblocked) => {
      mutant?.engine?.(engine);
      engine.listen({ restored: () => parts.limits.setSlices(slices) });
      return (publisher = publisherFor(options, engine, onUnblocked));
    },
    busIsDurable: true,
    backoff: { next: () => 100, succeeded: ignore },
    onTrouble: ignore,
  });
  const { engine, intake, limits, order } = parts;
  engine.listen({ stored: (all) => tellStops(options, all) });
  mutant?.parts?.({ order });
  const rightly = (message: SimulatedMessage): Promise<void> => take(intake, message);
  const stop = async (): Promise<void> => {
    publisher?.stop();
    await parts.stop();
    await engine.close();
    limits.stop();
  };
  return { ...parts, hear: mutant?.hear?.(rightly, { engine, observed }) ?? rightly, stop };
}

const publisherFor = (
  { bus, process, settings: { startWithinMs } }: PartsOptions,
  engine: Engine,
  onUnblocked: () => void,
): SimulatedPublisher => new SimulatedPublisher({ engine, bus, process, startWithinMs, onUnblocked });

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
