/**
 * What runs mean, told slowly: which ends are right for a task and which output, given how the tasks before it ended. It shares
 * no code with the scheduler nor with those who do the work, and believes the mesh nothing but the final states and outputs.
 */
import { isDeepStrictEqual } from 'node:util';
import type { TaskView } from '@cogmesh/sdk';
import type { Fault } from './journal.js';
import type { Observed } from './observed.js';
import type { Program, Step, WorkInput } from './program.js';

export interface Judgement {
  /** Somebody, or a deadline, may have ended it. */
  readonly mayBeCut: boolean;
  readonly complain: (fault: Fault, text: string) => void;
}

/** `unmet`: skipped because something above it failed; SKIPPED is for a condition that is false. */
type End = TaskView['state'] | 'unmet';

export function judge(program: Program, run: Observed, judgement: Judgement): void {
  const { complain } = judgement;
  for (const [id, step] of program.steps) {
    const end = endOf(run, id);
    const allowed = allowedEnds(program, run, { step, mayBeCut: judgement.mayBeCut });
    if (!allowed.has(end)) {
      const error = JSON.stringify(run.tasks.get(id)?.error ?? null);
      complain(
        'outcome',
        `task ${id} (${step.kind}, ${step.work.does}) is ${end} (${error}), not ${[...allowed].join(' or ')}`,
      );
    } else judgeOutput(run, step, complain);
  }
  const strays = [...run.tasks.keys()].filter((id) => !program.steps.has(id));
  if (strays.length > 0) complain('doubled', `it has tasks that nobody asked for: ${strays.join(', ')}`);
  judgeNested(program, run, judgement);
  judgeRun(program, run, judgement);
}

function endOf(run: Observed, id: string): End {
  const task = run.tasks.get(id);
  if (task === undefined) return 'BLOCKED';
  return task.state === 'SKIPPED' && task.error ? 'unmet' : task.state;
}

const policyOf = ({ task }: Step) => task.onFailure ?? 'fail';

/** Children may go on. */
function isMet(program: Program, run: Observed, id: string): boolean {
  const end = endOf(run, id);
  const step = program.steps.get(id);
  return (
    end === 'SUCCEEDED' || end === 'SKIPPED' || (end === 'FAILED' && step !== undefined && policyOf(step) === 'ignore')
  );
}

/** Something failed after which nothing new starts. */
const isFailing = (program: Program, run: Observed): boolean =>
  [...program.steps].some(([id, step]) => endOf(run, id) === 'FAILED' && policyOf(step) === 'fail');

interface Question {
  readonly step: Step;
  readonly mayBeCut: boolean;
}

function allowedEnds(program: Program, run: Observed, { step, mayBeCut }: Question): ReadonlySet<End> {
  const failing = isFailing(program, run);
  const allowed = new Set<End>(mayBeCut || failing ? ['CANCELLED'] : []);
  if ((step.task.depends ?? []).some((id) => !isMet(program, run, id))) return allowed.add('unmet');
  for (const end of plannedEnds(run, step)) allowed.add(end);
  // Where nothing new starts, a failed attempt is not followed by another.
  if (failing && worksOn(step)) allowed.add('FAILED');
  if (run.tasks.get(step.task.id)?.error?.code === 'queue_timeout' && step.task.queueTimeoutMs !== undefined) {
    allowed.add('FAILED');
  }
  return allowed;
}

const worksOn = ({ kind }: Step): boolean => kind === 'tool' || kind === 'script';

function plannedEnds(run: Observed, step: Step): readonly End[] {
  if (conditionOf(run, step) === false) return ['SKIPPED'];
  if (step.kind === 'nested') {
    const last = run.nested.get(step.task.id)?.at(-1);
    return last === undefined ? [] : [last.view.state === 'SUCCEEDED' ? 'SUCCEEDED' : 'FAILED'];
  }
  const failed = inputsOf(run, step).filter(fails).length;
  const survives = step.each !== undefined && step.task.itemFailure === 'continue';
  return [failed > 0 && !survives ? 'FAILED' : 'SUCCEEDED'];
}

/** Undefined without a condition. */
const conditionOf = (run: Observed, { when }: Step): boolean | undefined =>
  when && (run.outputs.get(when.id) as Answer).v % 2 === when.rest;

interface Answer {
  readonly v: number;
  readonly list: readonly number[];
}

/** What whoever works on it is to be given: once, or once for each item. */
export function inputsOf(run: Observed, step: Step): readonly WorkInput[] {
  const from = step.from.map(({ id, part }) => partOf(run.outputs.get(id), part));
  const { each, work } = step;
  if (each === undefined) return [{ ...work, from }];
  const items = 'id' in each ? (run.outputs.get(each.id) as Answer | undefined)?.list : each;
  return (items ?? []).map((n) => ({ ...work, n, from }));
}

/** Null where there is no output. */
const partOf = (output: unknown, part: 'v' | undefined): unknown =>
  part === undefined ? (output ?? null) : ((output as Answer | undefined)?.[part] ?? null);

/** For good, sooner or later. */
function fails({ n, does }: WorkInput): boolean {
  return does === 'never' || does === 'broken' || (does === 'picky' && n % 4 === 3);
}

const BULK_CHARACTERS = 70_000;

function answerTo({ n, from, bulky }: WorkInput): unknown {
  let v = 7 * n + 1;
  for (const value of from) v += 3 * weightOf(value);
  v %= 9973;
  const list: number[] = [];
  while (list.length < v % 6) list.push((v + list.length) % 50);
  return bulky ? { v, list, pad: 'x'.repeat(BULK_CHARACTERS) } : { v, list };
}

/** All `v` and all numbers in it; of a nested run's output, those of its `out`. */
function weightOf(value: unknown): number {
  if (typeof value === 'number') return value;
  if (typeof value !== 'object' || value === null) return 0;
  if (Array.isArray(value)) return value.map(weightOf).reduce((sum, weight) => sum + weight, 0);
  const { v, out } = value as { readonly v?: number; readonly out?: unknown };
  return v ?? weightOf(out);
}

function judgeOutput(run: Observed, step: Step, complain: Judgement['complain']): void {
  const { id } = step.task;
  if (endOf(run, id) !== 'SUCCEEDED') return;
  const [found, wanted] = [run.outputs.get(id), outputFor(run, step)];
  if (step.kind === 'approval') {
    if ((found as { readonly approved?: unknown } | null)?.approved !== true)
      complain('outcome', `task ${id} is not approved`);
  } else if (!isDeepStrictEqual(found, wanted)) {
    complain('outcome', `task ${id} has the output ${briefly(found)}, not ${briefly(wanted)}`);
  }
}

function outputFor(run: Observed, step: Step): unknown {
  if (step.kind === 'nested') return run.nested.get(step.task.id)?.at(-1)?.output;
  if (!worksOn(step)) return null;
  const answers = inputsOf(run, step).map((input) => (fails(input) ? null : answerTo(input)));
  return step.each === undefined ? answers[0] : answers;
}

const briefly = (value: unknown) => (JSON.stringify(value) ?? 'undefined').slice(0, 300);

function judgeNested(program: Program, run: Observed, { complain }: Judgement): void {
  for (const [id, runs] of run.nested) {
    const nested = program.steps.get(id)?.nested;
    if (nested === undefined || runs.length !== 1) complain('doubled', `task ${id} started ${runs.length} runs`);
    for (const each of nested ? runs : []) {
      // It ends with the run around it, however that ended.
      judge(nested as Program, each, {
        mayBeCut: run.view.state !== 'SUCCEEDED',
        complain: (fault, text) => complain(fault, `in ${each.view.id} of ${id}: ${text}`),
      });
    }
  }
}

function judgeRun(program: Program, run: Observed, { mayBeCut, complain }: Judgement): void {
  const { state, error } = run.view;
  const failed = [...program.steps].some(([id, step]) => endOf(run, id) === 'FAILED' && policyOf(step) !== 'ignore');
  const wanted = failed ? 'FAILED' : 'SUCCEEDED';
  // By its caller, or by its deadline.
  const isCut = mayBeCut && (state === 'CANCELLED' || (state === 'FAILED' && error?.code === 'timeout'));
  if (state !== wanted && !isCut) complain('outcome', `it is ${state} (${briefly(error)}), not ${wanted}`);
  const output = { out: program.out.map(({ id, part }) => partOf(run.outputs.get(id), part)) };
  if (state === 'SUCCEEDED' && !isDeepStrictEqual(run.output, output)) {
    complain('outcome', `its output is ${briefly(run.output)}, not ${briefly(output)}`);
  }
}
