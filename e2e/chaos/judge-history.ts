/** A history as it must be: without gaps, told once, nothing after an end, nothing before what it depends on. */
import { isDeepStrictEqual } from 'node:util';
import type { RunEvent } from '@cogmesh/sdk';
import type { Fault } from './journal.js';
import type { Observed } from './observed.js';
import type { Program } from './program.js';

type Complain = (fault: Fault, text: string) => void;

const over = new Set<string | null | undefined>(['SUCCEEDED', 'FAILED', 'CANCELLED', 'SKIPPED']);
const nameOf = ({ taskId, index }: RunEvent) => (typeof index === 'number' ? `${taskId}[${index}]` : `${taskId}`);

export function judgeHistory(program: Program, run: Observed, complain: Complain): void {
  const gap = run.events.findIndex(({ sequence }, index) => sequence !== index + 1);
  if (gap >= 0) complain('history', `event ${gap + 1} has the number ${run.events[gap]?.sequence}`);
  if (run.view.sequence !== run.events.length) {
    complain('history', `it has ${run.events.length} events, and says that the newest is ${run.view.sequence}`);
  }
  judgeEnds(run, complain);
  judgeTasks(run, complain);
  judgeOrder(program, run, complain);
  judgePauses(run, complain);
  for (const [id, runs] of run.nested) {
    const nested = program.steps.get(id)?.nested;
    for (const each of nested ? runs : []) {
      judgeHistory(nested as Program, each, (fault, text) => complain(fault, `in ${each.view.id} of ${id}: ${text}`));
    }
  }
}

function judgeEnds({ events, view }: Observed, complain: Complain): void {
  const ends = events.filter(({ type, runState }) => type === 'run.state' && over.has(runState));
  if (ends.length !== 1 || ends[0]?.runState !== view.state) {
    complain('history', `it is ${view.state} and ended as ${ends.map(({ runState }) => runState).join(', then ')}`);
  }
  const done = events.findIndex(({ type }) => type === 'run.done');
  if (done !== events.length - 1)
    complain('history', `it goes on after run.done, event ${done + 1} of ${events.length}`);
}

function judgeTasks({ events, tasks }: Observed, complain: Complain): void {
  const stories = Map.groupBy(
    events.filter(({ type }) => type === 'task.state'),
    nameOf,
  );
  for (const [name, story] of stories) {
    const end = story.findIndex(({ taskState }) => over.has(taskState));
    for (const { taskState } of end < 0 ? [] : story.slice(end + 1)) {
      complain(
        taskState === 'SUCCEEDED' ? 'doubled' : 'history',
        `${name} was ${story[end]?.taskState} and became ${taskState}`,
      );
    }
    const attempts = story.filter(({ taskState }) => taskState === 'RUNNING').map(({ attempt }) => attempt ?? 0);
    const again = attempts.find((attempt, index) => index > 0 && attempt > 0 && attempt <= (attempts[index - 1] ?? 0));
    if (again !== undefined) complain('doubled', `attempt ${again} of ${name} started twice`);
  }
  for (const { id, state } of tasks.values()) {
    const last = stories.get(id)?.at(-1)?.taskState;
    if (last !== state) complain('history', `task ${id} is ${state}, and its history ends with ${last}`);
  }
}

/** Nothing of a task happens before all that it depends on is over. */
function judgeOrder(program: Program, { events }: Observed, complain: Complain): void {
  const ended = new Set<string>();
  const begins = new Set<string | null | undefined>(['RUNNING', 'WAITING', 'SUCCEEDED']);
  for (const event of events) {
    if (event.type !== 'task.state' || typeof event.taskId !== 'string') continue;
    const depends = program.steps.get(event.taskId)?.task.depends ?? [];
    const early = begins.has(event.taskState) ? depends.filter((id) => !ended.has(id)) : [];
    if (early.length > 0)
      complain('outcome', `${nameOf(event)} was ${event.taskState} before ${early.join(', ')} ended`);
    if (typeof event.index !== 'number' && over.has(event.taskState)) ended.add(event.taskId);
  }
}

/** What agents hold may start in a pause; a sleep, an approval or a nested run may not. */
function judgePauses({ events }: Observed, complain: Complain): void {
  let isPaused = false;
  for (const event of events) {
    if (event.type === 'run.state') isPaused = event.runState === 'PAUSED';
    else if (isPaused && event.taskState === 'WAITING') complain('outcome', `${nameOf(event)} began in a pause`);
  }
}

/** What was told to somebody who listened is what is stored. */
export function judgeFollowed(followed: readonly RunEvent[], { events }: Observed, complain: Complain): void {
  const plain = (event: RunEvent | undefined): unknown => JSON.parse(JSON.stringify(event ?? null));
  const other = followed.findIndex((event, index) => !isDeepStrictEqual(plain(event), plain(events[index])));
  if (other >= 0) {
    const [told, stored] = [followed[other], events[other]].map((event) => JSON.stringify(event));
    complain('history', `event ${other + 1} was told as ${told} and is stored as ${stored}`);
  }
  if (followed.length !== events.length) complain('history', `${followed.length} of ${events.length} events were told`);
}
