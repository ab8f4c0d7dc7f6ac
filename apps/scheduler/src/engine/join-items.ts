/** A forEach whose items all succeeded: its output is the list of theirs, in order; a long one is stored as a blob. */
import type { TaskRef } from '../adapters/engine-tables.js';
import type { ControlContext } from './controls.js';
import { inlineOrStored } from './payloads.js';

export async function joinItems(context: ControlContext, refs: readonly TaskRef[]): Promise<void> {
  if (refs.length === 0) return;
  const runs = new Map((await context.sql.runs(refs.map((ref) => ref.runId))).map((run) => [run.id, run]));
  const outputs = new Map<TaskRef, string>();
  for (const ref of refs) {
    const items = await context.sql.itemOutputs(ref.runId, ref.taskId);
    const organisation = runs.get(ref.runId)?.organisation ?? '';
    const { payloads, settings } = context;
    const json = `[${items.join(',')}]`;
    outputs.set(ref, await inlineOrStored(json, { payloads, organisation, maxInlineBytes: settings.maxInlineBytes }));
  }
  await context.engine.transact(
    refs.map((ref) => ref.runId),
    async (unit, outcomes) => {
      await unit.load(refs.map(({ runId, taskId, itemIndex }) => ({ runId, taskId, itemIndex })));
      for (const [ref, json] of outputs) {
        const parent = unit.task(ref);
        if (parent?.state === 'RUNNING' && parent.itemsSucceeded === parent.itemsTotal)
          outcomes.succeed(parent, { json });
      }
    },
  );
}
