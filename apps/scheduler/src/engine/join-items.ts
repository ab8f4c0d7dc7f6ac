/** A forEach whose items all ended: its output is the list of theirs, in order, null for one that failed; a long one is stored as a blob. */
import { CogmeshError } from '@cogmesh/errors';
import type { TaskRef } from '../adapters/engine-tables.js';
import { taskKey } from '../model/rows.js';
import type { ControlContext } from './controls.js';
import { inlineOrStored } from './payloads.js';

export async function joinItems(context: ControlContext, refs: readonly TaskRef[]): Promise<void> {
  if (refs.length === 0) return;
  const runs = new Map((await context.sql.runs(refs.map((ref) => ref.runId))).map((run) => [run.id, run]));
  const outputs = new Map<TaskRef, string>();
  for (const ref of refs) {
    const json = await joined(context, ref, runs.get(ref.runId)?.organisation ?? '');
    if (json !== undefined) outputs.set(ref, json);
  }
  await context.engine.transact(
    [...outputs.keys()].map((ref) => ref.runId),
    async (unit, outcomes) => {
      await unit.load([...outputs.keys()].map(({ runId, taskId, itemIndex }) => ({ runId, taskId, itemIndex })));
      for (const [ref, json] of outputs) {
        const parent = unit.task(ref);
        if (parent?.state === 'RUNNING' && parent.itemsSucceeded + parent.itemsFailed === parent.itemsTotal)
          outcomes.succeed(parent, { json });
      }
    },
  );
}

/** Undefined when the list is too long for a row and the gateway does not take it now. */
async function joined(context: ControlContext, ref: TaskRef, organisation: string): Promise<string | undefined> {
  const { payloads, settings, sql } = context;
  const json = `[${(await sql.itemOutputs(ref.runId, ref.taskId)).join(',')}]`;
  try {
    return await inlineOrStored(json, { payloads, organisation, maxInlineBytes: settings.maxInlineBytes });
  } catch (thrown) {
    if (!(thrown instanceof CogmeshError)) throw thrown;
    context.later(`join ${taskKey(ref)}`, () => context.join(ref));
    return undefined;
  }
}
