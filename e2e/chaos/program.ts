/**
 * Random runs, each beside what it means in words that a naive reader follows without an expression language: from which
 * outputs a task's input is made, when it runs, and what whoever does it will do. Everything follows from the seed.
 */
import type { RetryPolicy, RunDocument, TaskDocument } from '@cogmesh/sdk';
import type { Organisation } from '../src/world.js';
import type { Chance } from './chance.js';
import { scriptSource } from './script-source.js';

/**
 * What becomes of a piece of work: `well`; `flaky`: its first attempts fail, retryably; `never`: each attempt fails,
 * retryably; `broken`: fails for good; `picky`: fails for good when its `n` leaves 3 of 4.
 */
export type Doing = 'well' | 'flaky' | 'never' | 'broken' | 'picky';

/** What a tool or a script is given. */
export interface WorkInput {
  readonly n: number;
  readonly from: readonly unknown[];
  readonly does: Doing;
  /** Of `flaky`: attempts that fail. */
  readonly failures: number;
  readonly workMs: number;
  /** Its output is too large to travel by value. */
  readonly bulky: boolean;
}

export interface Step {
  readonly kind: 'tool' | 'script' | 'sleep' | 'approval' | 'nested';
  /** Tasks whose outputs are the `from` of its input, in order; of `part` only that field. */
  readonly from: readonly { readonly id: string; readonly part?: 'v' }[];
  readonly work: Omit<WorkInput, 'from'>;
  /** Runs when `v` of that task's output leaves this rest of 2. */
  readonly when?: { readonly id: string; readonly rest: number };
  /** Its items: these, or the `list` of that task's output. */
  readonly each?: readonly number[] | { readonly id: string };
  readonly nested?: Program;
  /** What is sent. */
  readonly task: TaskDocument;
}

export interface Program {
  readonly steps: ReadonlyMap<string, Step>;
  /** Tasks whose outputs are the `out` of the run's. */
  readonly out: Step['from'];
  readonly document: RunDocument;
}

export interface Shape {
  readonly chance: Chance;
  readonly organisation: Organisation;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** How deep runs may be nested in it. */
  readonly depth: number;
  readonly isNested?: true;
}

/** Faults cost attempts; work that is meant to succeed has enough of them. */
const patient: RetryPolicy = { maxAttempts: 60, backoffMs: 50, maxBackoffMs: 1_000 };
const brief: RetryPolicy = { maxAttempts: 3, backoffMs: 50, maxBackoffMs: 200 };
/** A frozen agent holds its work for less. */
const WORK_TIMEOUT_MS = 30_000;
/** Neither what waits for somebody else, nor a lease that nobody looks at, may end by this. */
const WAIT_TIMEOUT_MS = 3_600_000;
/** Limited by whoever sets the mesh up, so that a slot that leaks shows as a task that never starts. */
export const narrowGroup = 'narrow';

export function randomProgram(shape: Shape): Program {
  const { chance, name, labels, isNested } = shape;
  const size = !isNested ? chance.pick([2, 4, 6, 10, 16]) : chance.between(1, 4);
  // Each run has a width of its own, so that some are chains and others fans.
  const width = chance.pick([1, 2, 4, size]);
  const trouble = chance.happens(0.45) ? chance.pick([0.1, 0.3]) : 0;
  const steps = new Map<string, Step>();
  for (let at = 0; at < size; at += 1) {
    const earlier = [...steps.values()].slice(Math.max(0, at - (at % width) - width), at - (at % width));
    const step = randomStep({ ...shape, id: `t${at}`, earlier, trouble });
    steps.set(step.task.id, step);
  }
  if (chance.happens(0.4))
    steps.set('last', joining({ ...shape, id: 'last', earlier: [...steps.values()], trouble: 0 }));
  const out = chance.some([...steps.values()].filter(hasPlainOutput), 4).map(partOf);
  const document: RunDocument = {
    name,
    labels,
    priority: chance.below(10),
    tasks: [...steps.values()].map(({ task }) => task),
    output: { out: out.map(expressionOf) },
    ...(!isNested && chance.happens(0.06) ? { deadlineMs: chance.between(500, 20_000) } : {}),
  };
  return { steps, out, document };
}

interface StepShape extends Shape {
  readonly id: string;
  readonly earlier: readonly Step[];
  /** Part of the tasks that will not simply succeed. */
  readonly trouble: number;
}

function randomStep(shape: StepShape): Step {
  const { chance, earlier } = shape;
  return stepOf(shape, kindOf(shape), chance.some(earlier, chance.pick([0, 1, 1, 2, 3])));
}

/** Everything ends in one task: a fan-in as wide as the run. */
const joining = (shape: StepShape): Step => stepOf(shape, 'tool', shape.earlier);

/** Nobody looks for approvals in nested runs. */
function kindOf({ chance, depth, isNested }: StepShape): Step['kind'] {
  if (chance.happens(0.85)) return chance.happens(0.7) ? 'tool' : 'script';
  if (isNested) return depth > 0 ? chance.pick(['sleep', 'nested']) : 'sleep';
  return chance.pick(['sleep', 'approval', 'nested', 'nested']);
}

function stepOf(shape: StepShape, kind: Step['kind'], parents: readonly Step[]): Step {
  const { chance, depth } = shape;
  const sure = parents.filter(isSure);
  const works = kind === 'tool' || kind === 'script';
  const each = works && chance.happens(0.18) ? eachOf(shape, sure) : undefined;
  const from = works ? parents.filter((parent) => hasPlainOutput(parent) && chance.happens(0.6)).slice(0, 3) : [];
  const meaning: Omit<Step, 'task'> = {
    kind,
    from: from.map(partOf),
    work: {
      n: chance.below(50),
      does: works ? doingOf(shape, kind, each !== undefined) : 'well',
      failures: chance.between(1, 3),
      workMs: chance.pick([1, 5, 30, 150, 600]),
      bulky: works && each === undefined && chance.happens(0.05),
    },
    ...(sure[0] && chance.happens(0.15) ? { when: { id: sure[0].task.id, rest: chance.below(2) } } : {}),
    ...(each ? { each } : {}),
    ...(kind === 'nested' ? { nested: randomProgram({ ...shape, labels: {}, depth: depth - 1, isNested: true }) } : {}),
  };
  return { ...meaning, task: taskOf(shape, meaning, parents) };
}

function doingOf({ chance, trouble }: StepShape, kind: Step['kind'], hasItems: boolean): Doing {
  if (!chance.happens(trouble)) return 'well';
  // A script is not told which attempt it is.
  if (kind === 'script') return hasItems ? 'picky' : 'broken';
  return hasItems ? chance.pick(['picky', 'flaky']) : chance.pick(['flaky', 'flaky', 'never', 'broken']);
}

function eachOf({ chance }: StepShape, sure: readonly Step[]): NonNullable<Step['each']> {
  if (sure[0] && chance.happens(0.5)) return { id: sure[0].task.id };
  return Array.from({ length: chance.pick([0, 1, 3, 6, 20]) }, () => chance.below(50));
}

/** Whoever runs after it has its output, whole. */
const isSure = ({ kind, when, each, task }: Step): boolean =>
  (kind === 'tool' || kind === 'script') && when === undefined && each === undefined && task.onFailure !== 'ignore';

/** An output that is the same each time; of one that is stored apart, only a part is asked for, so it must be there. */
const hasPlainOutput = (step: Step): boolean => step.kind !== 'approval' && (!step.work.bulky || isSure(step));

const partOf = ({ task, work }: Step): Step['from'][number] => ({ id: task.id, ...(work.bulky ? { part: 'v' } : {}) });

const expressionOf = ({ id, part }: Step['from'][number]): string =>
  `\${{ tasks.${id}.output${part === undefined ? '' : `.${part}`} }}`;

function taskOf(shape: StepShape, step: Omit<Step, 'task'>, parents: readonly Step[]): TaskDocument {
  const { chance, organisation, id } = shape;
  const { kind, work, when, each, nested } = step;
  return {
    id,
    uses: kind === 'tool' ? `tool:${organisation}/work` : kind === 'nested' ? 'run' : kind,
    depends: parents.map(({ task }) => task.id),
    ...inputOf(step),
    ...(kind === 'tool' || kind === 'script' ? workFields(shape, step) : {}),
    ...(kind === 'approval' || kind === 'nested' ? { timeoutMs: WAIT_TIMEOUT_MS } : {}),
    ...(when ? { when: `\${{ tasks.${when.id}.output.v % 2 == ${when.rest} }}` } : {}),
    ...(each ? itemFields(chance, each) : {}),
    ...(work.does === 'well' ? {} : { onFailure: chance.pick(['fail', 'continue', 'ignore'] as const) }),
    ...(nested ? { document: nested.document } : {}),
    ...(chance.happens(0.2) ? { priority: chance.below(10) } : {}),
  };
}

function workFields({ chance }: StepShape, { kind, work, each }: Omit<Step, 'task'>): Partial<TaskDocument> {
  const isTool = kind === 'tool';
  return {
    ...(isTool ? {} : { script: scriptSource }),
    retry: work.does === 'never' ? brief : patient,
    timeoutMs: chance.happens(0.15) ? WORK_TIMEOUT_MS : WAIT_TIMEOUT_MS,
    ...(chance.happens(0.1) ? { heartbeatTimeoutMs: 5_000 } : {}),
    ...(isTool && chance.happens(0.12) ? { concurrencyGroup: narrowGroup } : {}),
    ...(isTool && !each && chance.happens(0.03) ? { queueTimeoutMs: chance.between(200, 5_000) } : {}),
  };
}

const itemFields = (chance: Chance, each: NonNullable<Step['each']>): Partial<TaskDocument> => ({
  forEach: 'id' in each ? `\${{ tasks.${each.id}.output.list }}` : `\${{ [${each.join(', ')}] }}`,
  ...(chance.happens(0.5) ? { maxParallel: chance.between(1, 4) } : {}),
  ...(chance.happens(0.5) ? { itemFailure: 'continue' as const } : {}),
});

function inputOf({ kind, work, from, each }: Omit<Step, 'task'>): { readonly input?: unknown } {
  if (kind === 'nested') return {};
  if (kind === 'sleep') return { input: { durationMs: work.workMs * 4 } };
  if (kind === 'approval') return { input: { message: 'may it go on?' } };
  const outputs = from.map(expressionOf);
  return { input: { ...work, ...(each ? { n: '${{ item }}' } : {}), from: outputs } };
}
