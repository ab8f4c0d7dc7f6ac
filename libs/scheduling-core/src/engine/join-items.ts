/** A forEach whose items all ended: its output is the list of theirs, in order, null for one that failed; a long one is stored as a blob. */
import { CogmeshError } from '@cogmesh/errors';
import type { ControlContext } from './controls.js';
import { decide, withRuns } from './decide.js';
import { inlineOrStored } from './payloads.js';
import { taskKey, type TaskRef, type TaskRow } from './rows.js';
import type { StepKind } from './step-queue.js';

export function joinSteps(context: ControlContext): StepKind<TaskRef> {
  return {
    what: 'joining items',
    keyOf: taskKey,
    isInMemory: (ref) => textsInMemory(context, ref) !== undefined,
    take: (refs, mayWait) =>
      withRuns(context.engine, refs.map(({ runId }) => runId), () => joinItems(context, refs, mayWait)), // prettier-ignore
  };
}

async function joinItems(
  context: ControlContext,
  refs: readonly TaskRef[],
  mayWait: boolean,
): Promise<readonly TaskRef[]> {
  const { engine, settings } = context;
  const { generation } = engine;
  const outputs = new Map<TaskRef, string>();
  const left: TaskRef[] = [];
  for (const ref of refs) {
    if (!isJoinable(taskOf(context, ref))) continue;
    const texts = textsInMemory(context, ref);
    const json = texts && `[${texts.join(',')}]`;
    const isShort = json !== undefined && Buffer.byteLength(json) <= settings.maxInlineBytes;
    if (isShort) outputs.set(ref, json);
    else if (!mayWait) left.push(ref);
    else await joinSlowly(context, ref, { json, outputs });
  }
  if (outputs.size === 0 || generation !== engine.generation) return left;
  await decide(engine, [...outputs.keys()].map(({ runId }) => runId), (unit, outcomes) => {
    for (const [ref, json] of outputs) {
      const parent = unit.task(ref);
      if (parent && isJoinable(parent)) outcomes.succeed(parent, { json });
    }
  }); // prettier-ignore
  return left;
}

const isJoinable = (parent: TaskRow | undefined): boolean =>
  parent?.state === 'RUNNING' && parent.itemsSucceeded + parent.itemsFailed === parent.itemsTotal;

const taskOf = ({ engine }: ControlContext, { runId, taskId, itemIndex }: TaskRef): TaskRow | undefined =>
  engine.residents.get(runId)?.task(taskId, itemIndex);

/** Undefined when only the store has some of them. */
function textsInMemory({ engine }: ControlContext, { runId, taskId }: TaskRef): string[] | undefined {
  const run = engine.residents.get(runId);
  const parent = run?.task(taskId);
  if (!run || !parent) return undefined;
  const items = run.items(taskId);
  if (items.length !== parent.itemsTotal || items.some((item) => item?.output === undefined)) return undefined;
  return items.map(({ output }) => output ?? 'null');
}

interface Joining {
  readonly json: string | undefined;
  readonly outputs: Map<TaskRef, string>;
}

/** Reads what the store has, stores what is too long for a row. Comes back later when the gateway takes nothing now. */
async function joinSlowly(context: ControlContext, ref: TaskRef, { json, outputs }: Joining): Promise<void> {
  const { payloads, settings } = context;
  const organisation = taskOf(context, ref)?.organisation ?? '';
  const list = json ?? `[${(await storedTexts(context, ref)).join(',')}]`;
  try {
    outputs.set(ref, await inlineOrStored(list, { payloads, organisation, maxInlineBytes: settings.maxInlineBytes }));
  } catch (thrown) {
    if (!(thrown instanceof CogmeshError)) throw thrown;
    context.later(`join ${taskKey(ref)}`, () => context.join(ref));
  }
}

async function storedTexts({ engine, itemOutputs }: ControlContext, { runId, taskId }: TaskRef): Promise<string[]> {
  await engine.stored();
  return (await itemOutputs(runId, taskId)).map((output) => output ?? 'null');
}
