/** One seed from its first event to its verdict. */
import type { StoredScope } from '../engine/dispatch-ports.js';
import type { Order } from './clients.js';
import { calmAtMs, planFaults, type Fault, type FaultKind } from './fault-plan.js';
import type { Mutant } from './mutants.js';
import { isOver, type Meant } from './naive-model.js';
import { makeRun, type RunSpec } from './scenario.js';
import { SeededRandom } from './seeded-random.js';
import type { StoredRun } from './stored-state.js';
import { judge, judgeRetry, type Tally } from './verdict.js';
import type { Violation } from './violations.js';
import { startMs, World } from './world.js';

export interface SeedReport {
  readonly seed: number;
  readonly organisations: number;
  readonly runs: number;
  /** Tasks and items that were stored. */
  readonly tasks: number;
  readonly faults: ReadonlyMap<FaultKind, number>;
  /** Results of agents that counted. */
  readonly accepted: number;
  readonly violations: readonly Violation[];
  /** Of everything that happened: the same for the same seed. */
  readonly traceHash: string;
  readonly events: number;
  readonly virtualMs: number;
  /** The newest events, oldest first. */
  readonly lastEvents: readonly string[];
}

const fewestTasks = 205;
/** A world that is not done by then is stuck, virtual milliseconds. */
const deadlineMs = 400_000;
/** What comes late must not change anything any more, virtual milliseconds. */
const afterglowMs = 4_000;
/** Memories are looked into after so many events. */
const stepsPerLook = 32;
const organisations = ['acme', 'globex', 'initech'];

export async function simulateSeed(seed: number, mutant?: Mutant): Promise<SeedReport> {
  const random = new SeededRandom(seed);
  const names = organisations.slice(0, random.between(2, 3));
  const shards = random.between(1, 3);
  const orders = planOrders(random, names, shards);
  const world = new World({
    seed: random.below(0x1_0000_0000), shards, orders, mutant,
    scopes: planScopes(random, names, shards),
    shared: random.chance(0.25) ? ['script'] : [],
    headSize: random.pick([1, 3, 10, 100]),
  }); // prettier-ignore
  for (const fault of planFaults(random)) schedule(world, fault);
  for (let pauses = random.below(3); pauses > 0; pauses -= 1) schedulePause(world, random);
  world.clock.after(calmAtMs, () => world.clients.calmDown());
  await live(world);
  if (world.violations.isNone) conclude(world);
  return reportOf(world, seed, names.length);
}

function planOrders(random: SeededRandom, names: readonly string[], shards: number): Order[] {
  const orders: Order[] = [];
  const trouble = random.pick([0, 0.05, 0.15]);
  for (let tasks = 0; tasks < fewestTasks;) {
    const at = orders.length;
    // The second run is the second organisation's, so that there are two.
    const which = at < 2 ? at : random.below(names.length);
    const size = random.pick([1, 4, 12, 30, 60]);
    const spec = makeRun({ random, name: `r${at}`, size, depth: 2, trouble });
    const organisation = names[which] ?? '';
    orders.push({
      runId: `r${at}`,
      organisation,
      shard: which % shards,
      spec,
      atMs: random.below(random.pick([200, 12_000])),
    });
    tasks += spec.tasks.size;
  }
  return orders;
}

function planScopes(random: SeededRandom, names: readonly string[], shards: number): StoredScope[] {
  const scope = (kind: StoredScope['kind'], organisation: string, name: string): StoredScope[] => {
    if (!random.chance(0.4)) return [];
    const maxInFlight = random.between(shards, 6);
    const limits = {
      maxInFlight,
      ratePerSecond: 0,
      burst: 0,
      maxQueued: 0,
      weight: random.between(1, 3),
      serviceClass: 0,
    };
    return [{ kind, organisation, name, limits, paused: false }];
  };
  return [
    ...names.flatMap((name) => [
      ...scope('organisation', name, name),
      ...scope('group', name, 'disk'),
      ...scope('group', name, 'mail'),
    ]),
    ...['tool:acme/count', 'script', 'tool:globex/weigh'].flatMap((name) => scope('capability', '', name)),
  ];
}

function schedule(world: World, { kind, atMs, lastsMs }: Fault): void {
  const { clock, faults, crew, note } = world;
  clock.after(atMs, () => {
    const mend = crew.begin(kind);
    // Nobody is left whom it could befall: something else goes wrong.
    if (!mend) return schedule(world, { kind: 'broker shaky', atMs: 0, lastsMs });
    note(`fault: ${kind} for ${lastsMs} ms`);
    faults.begin(kind);
    clock.after(lastsMs, () => {
      faults.end(kind);
      mend();
    });
  });
}

/** Somebody pauses a capability, a group or an organisation for a while. */
function schedulePause(world: World, random: SeededRandom): void {
  const { clock, note } = world;
  const { scopes } = world.options;
  if (scopes.length === 0) return;
  const { kind, organisation, name } = random.pick(scopes);
  const set = (paused: boolean) => (): void => {
    note(`${kind} ${name} of ${organisation || 'all'}: ${paused ? 'paused' : 'resumed'}`);
    world.pause({ kind, organisation, name }, paused);
  };
  const atMs = random.below(10_000);
  clock.after(atMs, set(true));
  clock.after(atMs + random.between(500, 8_000), set(false));
}

const runsOver = ({ state }: World): boolean => [...state.runs.values()].every(({ row }) => isOver(row.state));

async function live(world: World): Promise<void> {
  const { clock, clients, violations } = world;
  const isCalm = (): boolean => clock.now() - startMs >= calmAtMs;
  const isDone = (): boolean => !violations.isNone || (isCalm() && clients.unconfirmed === 0 && runsOver(world));
  let steps = 0;
  const onStep = (): void => {
    steps += 1;
    if (steps % stepsPerLook === 0) world.placement.look();
  };
  const isInTime = await clock.run({ deadline: startMs + deadlineMs, isDone, onStep });
  if (!isInTime) for (const line of unfinished(world)) violations.add('ends', line);
  else if (violations.isNone) await clock.advance(afterglowMs);
}

function unfinished({ state, clients }: World): string[] {
  const lines = [...state.runs.values()].flatMap(({ row, tasks }) => {
    if (isOver(row.state)) return [];
    const open = [...tasks.values()].filter((task) => !isOver(task.state));
    const names = open
      .slice(0, 6)
      .map(
        ({ taskId, itemIndex, state: is, uses }) => `${taskId}${itemIndex < 0 ? '' : `[${itemIndex}]`} (${uses}) ${is}`,
      );
    return [`${row.id} is still ${row.state}: ${names.join(', ') || 'no open task'}`];
  });
  return lines.length > 0 ? lines : [`${clients.unconfirmed} submits were never confirmed`];
}

const meantBy = ({ row, tasks }: StoredRun, spec: RunSpec): Meant => ({ row, spec, tasks: [...tasks.values()] });

function conclude(world: World): void {
  const { state, observed, violations, watched, clients } = world;
  const cancelled = new Set(observed.asked.filter(({ what }) => what === 'cancel').map(({ runId }) => runId));
  const court = { state, observed, violations, poisonAfter: 5, wasCancelled: (id: string) => cancelled.has(id) };
  const tally: Tally = { succeeded: 0 };
  const judged = new Set<string>();
  const visit = (id: string, spec: RunSpec): void => {
    const stored = state.runs.get(id);
    if (!stored) return violations.add('durable', `run ${id} was confirmed and is gone`);
    judged.add(id);
    judge(court, meantBy(stored, spec), tally);
    for (const { row } of state.runs.values()) {
      const nested = row.parentRunId === id ? spec.tasks.get(row.parentTaskId ?? '')?.nested : undefined;
      if (nested) visit(row.id, nested);
    }
  };
  for (const { runId, spec, origin } of clients.orders) {
    visit(runId, spec);
    const [retried, again] = [state.runs.get(origin ?? ''), state.runs.get(runId)];
    if (retried && again) judgeRetry(court, meantBy(retried, spec), meantBy(again, spec));
  }
  const strays = [...state.runs.keys()].filter((id) => !judged.has(id));
  violations.require(strays.length === 0, 'meaning', () => `nobody asked for the runs ${strays.join(', ')}`);
  violations.require(watched.accepted.size === tally.succeeded, 'one result', () => {
    return `${tally.succeeded} tasks ended well, ${watched.accepted.size} results were accepted`;
  });
  requireNothingCounted(world);
  requireEnough(world);
}

/** Owners that know of nobody who has taken over since. */
function requireNothingCounted({ crew, state, violations }: World): void {
  for (const { name, isServing, parts } of crew.replicas) {
    const { engine, queued } = parts;
    const isOwner = [...engine.owned].every(([shard, epoch]) => state.epoch(shard) === epoch);
    if (!isServing || !engine.isOpen || !isOwner) continue;
    violations.require(queued.counts.size === 0, 'limits', () => {
      return `${name} still counts unfinished tasks: ${JSON.stringify([...queued.counts])}`;
    });
  }
}

/** A seed in which little happens proves little. */
function requireEnough(world: World): void {
  const { violations, faults, state } = world;
  const tasks = tasksIn(world);
  const befallen = [...faults.counts.values()].reduce((sum, count) => sum + count, 0);
  const organisationsSeen = new Set([...state.runs.values()].map(({ row }) => row.organisation)).size;
  const isEnough = tasks >= 200 && befallen >= 3 && organisationsSeen >= 2;
  violations.require(
    isEnough,
    'enough',
    () => `${tasks} tasks, ${befallen} faults, ${organisationsSeen} organisations`,
  );
}

const tasksIn = ({ state }: World): number => [...state.runs.values()].reduce((sum, { tasks }) => sum + tasks.size, 0);

function reportOf(world: World, seed: number, count: number): SeedReport {
  const { state, faults, watched, violations, trace, clock } = world;
  return {
    seed,
    organisations: count,
    runs: state.runs.size,
    tasks: tasksIn(world),
    faults: faults.counts,
    accepted: watched.accepted.size,
    violations: violations.found,
    traceHash: trace.hash,
    events: trace.events,
    virtualMs: clock.now() - startMs,
    lastEvents: trace.last(),
  };
}
