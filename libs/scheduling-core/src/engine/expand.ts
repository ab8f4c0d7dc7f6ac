/** forEach: the items of a task are born in the decision that makes the task RUNNING, with its join counter. */
import type { Json } from '../json.js';
import { planExpansion } from '../plan.js';
import type { TaskPlan } from '../run-plan.js';
import { itemRow } from './new-run.js';
import { failureOf, type Outcomes } from './outcomes.js';
import type { TaskRow } from './rows.js';
import type { Unit } from './unit.js';

export interface ExpandOptions {
  readonly parent: TaskRow;
  readonly plan: TaskPlan;
  readonly list: Json;
  /** Of the outermost run and all runs in it. */
  readonly maxExpandedTasks: number;
}

/** The outermost run must be part of the unit. */
export function expand(unit: Unit, outcomes: Outcomes, options: ExpandOptions): void {
  const { parent, plan, list, maxExpandedTasks } = options;
  const run = unit.resident(parent);
  const room = maxExpandedTasks - unit.rootOf(run.row).totalTasks;
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
    itemRow({ parent, plan, item: JSON.stringify(item), itemIndex, isOpen: itemIndex < open }, unit.birth),
  );
  unit.addTasks(run, rows);
  unit.grow(run.row, rows.length);
  const data = JSON.stringify({ total: items.length, succeeded: 0, failed: 0 });
  unit.tell(run.row, { type: 'task.progress', taskId: parent.taskId, data });
}
