/**
 * Random runs, and what they mean in words that a naive reader can follow without an expression language: beside each plan
 * stands from which outputs its input is made, when it runs, and what its agents will do. Everything follows from the seed.
 */
import type { Json } from '../json.js';
import type { RetryPolicy } from '../limits.js';
import type { FailurePolicy, RunPlan, TaskPlan } from '../run-plan.js';
import type { SeededRandom } from './seeded-random.js';

/**
 * What an agent does with it: `well`; `flaky`: fails now and then, retryably; `never`: fails each time, retryably;
 * `broken`: fails for good; `stuck`: reports nothing in time, the first time.
 */
export type Doing = 'well' | 'flaky' | 'never' | 'broken' | 'stuck';

export interface TaskSpec {
  readonly plan: TaskPlan;
  readonly kind: 'agent' | 'sleep' | 'approval' | 'nested';
  /** Tasks whose outputs are the `from` of its input, in order. */
  readonly from: readonly string[];
  readonly n: number;
  readonly does: Doing;
  readonly runMs: number;
  /** Runs when `v` of that task's output leaves this rest of 2. */
  readonly when?: { readonly task: string; readonly rest: number };
  /** Its items: these, or the `list` of that task's output. */
  readonly each?: { readonly items: readonly number[] } | { readonly task: string };
  readonly nested?: RunSpec;
}

export interface RunSpec {
  readonly plan: RunPlan;
  readonly tasks: ReadonlyMap<string, TaskSpec>;
  /** Tasks whose outputs are the `out` of the run's. */
  readonly out: readonly string[];
}

/** What agents offer; the last needs a label that only some of them carry. */
export const needs: readonly { readonly uses: string; readonly affinity?: Readonly<Record<string, string>> }[] = [
  { uses: 'tool:acme/count' },
  { uses: 'script' },
  { uses: 'tool:globex/weigh' },
  { uses: 'tool:acme/count', affinity: { zone: 'north' } },
];

export interface RunShape {
  readonly random: SeededRandom;
  readonly name: string;
  /** Tasks of its document. */
  readonly size: number;
  /** How deep runs may still be nested in it. */
  readonly depth: number;
  /** Part of the tasks that will not simply succeed, 0 to 1. */
  readonly trouble: number;
}

const retries: readonly RetryPolicy[] = [
  { maxAttempts: 3, backoffMs: 100, maxBackoffMs: 2_000, jitter: 0.2 },
  { maxAttempts: 2, backoffMs: 500, maxBackoffMs: 1_000, factor: 1, jitter: 0 },
  { maxAttempts: 5, backoffMs: 50, maxBackoffMs: 800, jitter: 1, notOn: ['broken'] },
  { maxAttempts: 1, backoffMs: 100, maxBackoffMs: 100, jitter: 0 },
];

export function makeRun(shape: RunShape): RunSpec {
  const { random, size } = shape;
  const tasks = new Map<string, TaskSpec>();
  // Each run has a width of its own, so that some are chains and others fans.
  const width = random.pick([1, 2, 4, 8, size]);
  for (let at = 0; at < size; at += 1) {
    const earlier = [...tasks.values()].slice(Math.max(0, tasks.size - 2 * width), Math.max(0, at - (at % width)));
    const spec = makeTask({ ...shape, id: `t${at}`, earlier });
    tasks.set(spec.plan.id, spec);
  }
  joinAll(shape, tasks);
  const out = [...tasks.values()].filter(() => random.chance(0.2)).map(({ plan }) => plan.id).slice(0, 4); // prettier-ignore
  const lists = [...tasks.values()].flatMap(({ plan, each }) => (each && 'items' in each ? [[plan.id, each.items] as const] : [])); // prettier-ignore
  const plan: RunPlan = {
    name: shape.name,
    priority: random.below(10),
    labels: {},
    input: { lists: Object.fromEntries(lists) as Json },
    tasks: [...tasks.values()].map((spec) => spec.plan),
    output: { out: out.map((id) => `\${{ tasks.${id}.output }}`) },
    ...(random.chance(0.06) ? { deadlineMs: random.between(500, 30_000) } : {}),
  };
  return { plan, tasks, out };
}

/** Sometimes everything ends in one task: a fan-in as wide as the run. */
function joinAll(shape: RunShape, tasks: Map<string, TaskSpec>): void {
  if (!shape.random.chance(0.4)) return;
  const spec = makeTask({ ...shape, id: 'last', earlier: [] });
  const depends = [...tasks.keys()];
  tasks.set('last', { ...spec, plan: { ...spec.plan, depends } });
}

interface TaskShape extends RunShape {
  readonly id: string;
  readonly earlier: readonly TaskSpec[];
}

function makeTask(shape: TaskShape): TaskSpec {
  const { random, earlier } = shape;
  const parents = pickSome(random, earlier, random.pick([0, 1, 1, 2, 3]));
  const from = parents.filter(() => random.chance(0.5)).slice(0, 2);
  const sure = parents.filter(isSure);
  const kind = kindOf(shape);
  const spec: Omit<TaskSpec, 'plan'> = {
    kind,
    from: from.map(({ plan }) => plan.id),
    n: random.below(50),
    does: kind === 'agent' && random.chance(shape.trouble) ? random.pick(['flaky', 'flaky', 'never', 'broken', 'stuck']) : 'well', // prettier-ignore
    runMs: random.pick([5, 20, 80, 300, 1_200]),
    ...(sure[0] && random.chance(0.15) ? { when: { task: sure[0].plan.id, rest: random.below(2) } } : {}),
    ...(kind !== 'approval' && random.chance(0.09) ? { each: eachOf(shape, sure) } : {}),
    ...(kind === 'nested' ? { nested: makeRun(nestedShape(shape)) } : {}),
  };
  return { ...spec, plan: planOf(shape, spec, parents) };
}

const nestedShape = (shape: TaskShape): RunShape => ({
  ...shape,
  name: `${shape.name}.${shape.id}`,
  size: shape.random.between(1, 4),
  depth: shape.depth - 1,
});

function kindOf({ random, depth }: TaskShape): TaskSpec['kind'] {
  if (random.chance(0.9)) return 'agent';
  return random.pick(
    depth > 0 ? (['sleep', 'approval', 'nested', 'nested'] as const) : (['sleep', 'approval'] as const),
  );
}

/** Its output, once what waits for it may start, is an agent's. */
const isSure = ({ kind, when, each, plan }: TaskSpec): boolean =>
  kind === 'agent' && when === undefined && each === undefined && plan.onFailure !== 'ignore';

function eachOf({ random }: TaskShape, sure: readonly TaskSpec[]): NonNullable<TaskSpec['each']> {
  if (sure[0] && random.chance(0.5)) return { task: sure[0].plan.id };
  return { items: Array.from({ length: random.pick([0, 1, 3, 5, 9]) }, () => random.below(50)) };
}

function planOf(shape: TaskShape, spec: Omit<TaskSpec, 'plan'>, parents: readonly TaskSpec[]): TaskPlan {
  const { random, id } = shape;
  const onFailure = random.pick<FailurePolicy | undefined>([undefined, undefined, 'fail', 'continue', 'ignore']);
  return {
    id,
    depends: parents.map(({ plan }) => plan.id),
    priority: random.below(10),
    input: inputOf(spec),
    retry: random.pick(retries),
    ...(onFailure === undefined ? {} : { onFailure }),
    ...(random.chance(0.03) ? { queueTimeoutMs: random.between(200, 8_000) } : {}),
    ...(random.chance(0.2) ? { ownPriority: true as const } : {}),
    ...controlOf(shape, spec),
    ...(spec.kind === 'agent' ? agentOf(random, spec) : waitingOf(random, spec)),
  };
}

/** What precedes its claim. */
function controlOf(
  { random, id }: TaskShape,
  { when, each }: Omit<TaskSpec, 'plan'>,
): Pick<TaskPlan, 'when' | 'forEach' | 'maxParallel' | 'itemFailure'> {
  const condition = when ? { when: `\${{ tasks.${when.task}.output.v % 2 == ${when.rest} }}` } : {};
  if (!each) return condition;
  const list = 'task' in each ? `tasks.${each.task}.output.list` : `input.lists.${id}`;
  return {
    ...condition,
    forEach: `\${{ ${list} }}`,
    ...(random.chance(0.5) ? { maxParallel: random.between(1, 4) } : {}),
    ...(random.chance(0.5) ? { itemFailure: 'continue' } : {}),
  };
}

type Work = Pick<
  TaskPlan,
  'uses' | 'timeoutMs' | 'heartbeatTimeoutMs' | 'concurrencyGroup' | 'affinity' | 'approval' | 'nested'
>;

function agentOf(random: SeededRandom, { does }: Omit<TaskSpec, 'plan'>): Work {
  return {
    ...random.pick(needs),
    timeoutMs: does === 'stuck' ? 2_500 : random.pick([2_500, 6_000, 60_000]),
    ...(random.chance(0.1) ? { heartbeatTimeoutMs: 5_000 } : {}),
    ...(random.chance(0.15) ? { concurrencyGroup: random.pick(['disk', 'mail']) } : {}),
  };
}

/** What waits in the scheduler. */
function waitingOf(random: SeededRandom, { kind, nested }: Omit<TaskSpec, 'plan'>): Work {
  const timeoutMs = 20_000;
  if (nested) return { uses: 'run', timeoutMs, nested: nested.plan };
  if (kind === 'sleep') return { uses: 'sleep', timeoutMs };
  return { uses: 'approval', timeoutMs, approval: { approvers: random.chance(0.3) ? 2 : 1, roles: [] } };
}

/** An agent is told all it needs: the numbers to add up, and how to behave. */
function inputOf({ kind, n, from, does, runMs, each }: Omit<TaskSpec, 'plan'>): Json {
  if (kind === 'sleep') return { durationMs: runMs };
  if (kind === 'approval') return { message: 'may it go on?' };
  if (kind === 'nested') return null;
  const outputs = from.map((id) => `\${{ tasks.${id}.output }}`);
  const own = each ? { n: '${{ item }}', index: '${{ index }}' } : { n };
  return { ...own, from: outputs, does, runMs };
}

function pickSome<T>(random: SeededRandom, list: readonly T[], count: number): T[] {
  const left = [...list];
  const picked: T[] = [];
  while (picked.length < count && left.length > 0) picked.push(...left.splice(random.below(left.length), 1));
  return picked;
}
