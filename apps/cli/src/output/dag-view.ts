/** Draws a run's progress: one line per task, indented by depth, with a bar for the items of a forEach. */
import type { RunEvent } from '@cogmesh/sdk';
import { paint } from './colours.js';
import type { RunProgress, TaskProgress } from './progress.js';
import { stateLabel, stateMark, stateName } from './states.js';
import { padTo } from './table.js';

const BAR_WIDTH = 20;
/** Lines drawn at once; a larger DAG shows what is not finished first. */
const MAX_LINES = 30;

export function drawDag(progress: RunProgress, now: number): string {
  const shown = choose(progress.tasks);
  const width = Math.max(...shown.map((task) => task.depth * 2 + task.id.length), 4);
  const lines = shown.map((task) => drawTask(task, width, now));
  const hidden = progress.tasks.length - shown.length;
  if (hidden > 0) lines.push(paint.dim(`  … and ${hidden} more tasks`));
  return [`run ${stateLabel(progress.state)}`, ...lines].join('\n');
}

function choose(tasks: readonly TaskProgress[]): readonly TaskProgress[] {
  if (tasks.length <= MAX_LINES) return tasks;
  const rank = (task: TaskProgress) =>
    task.state === 'FAILED' || task.state === 'RUNNING' ? 0 : task.state === 'SUCCEEDED' ? 2 : 1;
  return [...tasks]
    .sort((a, b) => rank(a) - rank(b))
    .slice(0, MAX_LINES)
    .sort((a, b) => a.depth - b.depth);
}

function drawTask(task: TaskProgress, width: number, now: number): string {
  const name = `${'  '.repeat(task.depth)}${stateMark(task.state)} ${task.id}`;
  const parts = [padTo(name, width + 2), padTo(stateName(task.state), 10), bar(task), duration(task, now), why(task)];
  return parts.filter((part) => part !== '').join('  ');
}

function bar(task: TaskProgress): string {
  if (task.items.size === 0) return '';
  const states = [...task.items.values()];
  const done = states.filter((state) => state === 'SUCCEEDED').length;
  const total = Math.max(task.total ?? 0, states.length);
  const filled = Math.round((done / total) * BAR_WIDTH);
  return `${paint.green('█'.repeat(filled))}${paint.dim('░'.repeat(BAR_WIDTH - filled))} ${done}/${total}`;
}

function duration(task: TaskProgress, now: number): string {
  if (task.startedAt === undefined) return '';
  return paint.dim(`${Math.max(0, (task.finishedAt ?? now) - task.startedAt)} ms`);
}

function why(task: TaskProgress): string {
  if (task.error !== undefined) return paint.red(task.error);
  return task.state === 'BLOCKED' && task.depends.length > 0 ? paint.dim(`waits for ${task.depends.join(', ')}`) : '';
}

/** One plain line per event, where there is no terminal to redraw. Items are counted, not listed. */
export function eventLine(event: RunEvent): string | undefined {
  if (event.type === 'run.state' || event.type === 'run.done') return `${event.time}  run  ${event.runState ?? ''}`;
  if (!event.taskState || typeof event.index === 'number') return undefined;
  const error = event.error ? `  ${event.error.code}: ${event.error.message}` : '';
  return `${event.time}  ${event.taskId}  ${event.taskState}${error}`;
}
