/** Everything that the API tells about a run that is over, and about the runs nested in it. */
import {
  isEnded,
  type BlobReference,
  type CogmeshClient,
  type RunEvent,
  type RunView,
  type TaskView,
} from '@cogmesh/sdk';
import { until } from '../src/poll.js';

export interface Observed {
  readonly view: RunView;
  readonly tasks: ReadonlyMap<string, TaskView>;
  /** From the first. */
  readonly events: readonly RunEvent[];
  /** Of tasks that succeeded, whole. */
  readonly outputs: ReadonlyMap<string, unknown>;
  readonly output: unknown;
  /** By the task that started it, in order. */
  readonly nested: ReadonlyMap<string, readonly Observed[]>;
}

/** A nested run that nobody waits for any more is ended a moment later. */
const NESTED_WITHIN_MS = 60_000;
const GLIMPSE_MS = 2_000;

export async function observe(client: CogmeshClient, runId: string): Promise<Observed> {
  const view = await until(
    `run ${runId} is over`,
    async () => {
      const run = await client.getRun(runId);
      return isEnded(run.state) && run;
    },
    { timeoutMs: NESTED_WITHIN_MS, everyMs: 200 },
  );
  const events: RunEvent[] = [];
  for await (const event of client.watchRun(runId)) events.push(event);
  const tasks = new Map((view.tasks ?? []).map((task) => [task.id, task]));
  const outputs = new Map<string, unknown>();
  for (const { id, state } of tasks.values()) {
    if (state === 'SUCCEEDED') outputs.set(id, await whole(client, await client.taskOutput(runId, id)));
  }
  const nested = new Map<string, Observed[]>();
  for (const { taskId, data } of events) {
    const id = (data as { readonly runId?: unknown } | null | undefined)?.runId;
    if (typeof id !== 'string' || typeof taskId !== 'string') continue;
    nested.set(taskId, [...(nested.get(taskId) ?? []), await observe(client, id)]);
  }
  return { view, tasks, events, outputs, output: await whole(client, view.output), nested };
}

/** As much as can be had of a run that is not over: evidence, not proof. */
export async function glimpse(client: CogmeshClient, runId: string): Promise<unknown> {
  const events: RunEvent[] = [];
  const view = await client.getRun(runId);
  try {
    const signal = AbortSignal.timeout(GLIMPSE_MS);
    for await (const event of client.watchRun(runId, { signal })) events.push(event);
  } catch {
    // What came until then is what there is.
  }
  const nested = events.flatMap(({ data }) => (data as { readonly runId?: string } | null | undefined)?.runId ?? []);
  return { view, events, nested: await Promise.all(nested.map((id) => glimpse(client, id))) };
}

/** What is stored apart is fetched. */
async function whole(client: CogmeshClient, value: unknown): Promise<unknown> {
  if (typeof value !== 'object' || value === null || !('$blob' in value)) return value;
  const blob = await client.downloadBlob(value as BlobReference);
  return JSON.parse((await blob.buffer()).toString('utf8')) as unknown;
}
