/** forEach: the items of a task are born in the transaction that makes the task RUNNING, with its join counter. */
import { planExpansion, waitsInScheduler, type Json, type TaskPlan } from '@cogmesh/scheduling-core';
import { insertTasks } from '../adapters/engine-tables.js';
import { freshTask } from '../adapters/sql-submissions.js';
import { readyEntry, type TaskRow } from '../model/rows.js';
import { failureOf, type Outcomes } from './outcomes.js';
import type { WorkUnit } from './work-unit.js';

export interface ExpandOptions {
  readonly plan: TaskPlan;
  readonly list: Json;
  readonly maxExpandedTasks: number;
}

export async function expand(
  unit: WorkUnit,
  outcomes: Outcomes,
  { parent, plan, list, maxExpandedTasks }: ExpandOptions & { readonly parent: TaskRow },
): Promise<void> {
  const run = unit.run(parent);
  const room = maxExpandedTasks - unit.rootOf(run).totalTasks;
  const expansion = planExpansion(list, { maxParallel: plan.maxParallel, room });
  if (!expansion.ok) {
    outcomes.fail(parent, failureOf('invalid_expression', expansion.message), 'invalid');
    return;
  }
  const { items, open } = expansion;
  unit.move(parent, 'expanded', { startedAt: unit.now, itemsTotal: items.length, itemsReleased: open });
  if (items.length === 0) {
    outcomes.succeed(parent, { json: '[]' });
    return;
  }
  const rows = items.map((item, itemIndex) =>
    itemRow({ parent, plan, item, itemIndex }, { now: unit.now, isOpen: itemIndex < open }),
  );
  await insertTasks(unit.tx, rows);
  run.openTasks += rows.length;
  unit.grow(run, rows.length);
  const data = JSON.stringify({ total: items.length, succeeded: 0, failed: 0 });
  unit.tell(run, { type: 'task.progress', taskId: parent.taskId, data });
  for (const row of rows.slice(0, open)) unit.effects.ready.push(readyEntry(row));
}

function itemRow(
  { parent, plan, item, itemIndex }: { parent: TaskRow; plan: TaskPlan; item: Json; itemIndex: number },
  { now, isOpen }: { now: number; isOpen: boolean },
): TaskRow {
  const { runId, taskId, position, organisation, uses, ownPriority, priority, concurrencyGroup, affinity } = parent;
  return {
    ...freshTask,
    runId,
    taskId,
    itemIndex,
    position,
    organisation,
    uses,
    priority,
    ownPriority,
    concurrencyGroup,
    affinity,
    plan: null,
    item: JSON.stringify(item),
    control: waitsInScheduler(uses) ? 1 : 0,
    state: isOpen ? 'READY' : 'BLOCKED',
    pending: 0,
    readyAt: isOpen ? now : null,
    dueAt: isOpen && plan.queueTimeoutMs !== undefined ? now + plan.queueTimeoutMs : null,
  };
}
