import { setImmediate } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { newRun, type LoadedRun, type NewRun } from './new-run.js';
import { Residents } from './residents.js';
import type { TaskRef, TaskRow } from './rows.js';

type Texts = (TaskRef & Pick<TaskRow, 'item' | 'output'>)[];

/** A store that answers when it is told to, and a memory that keeps nothing it need not. */
class World {
  readonly loads: ((runs: LoadedRun[]) => void)[] = [];
  readonly payloads: ((texts: Texts) => void)[] = [];
  readonly residents = new Residents({
    store: {
      load: () => new Promise((resolve) => this.loads.push(resolve)),
      payloads: () => new Promise((resolve) => this.payloads.push(resolve)),
    },
    maxRows: 0,
    maxPayloadBytes: 0,
    isDirty: () => false,
    onLoaded: () => undefined,
    onEvicted: () => undefined,
  });
}

function born(): NewRun {
  const task = {
    id: 'a', uses: 'script', depends: [], priority: 5, input: null, timeoutMs: 1,
    retry: { maxAttempts: 1, backoffMs: 1, maxBackoffMs: 1, jitter: 0 },
  }; // prettier-ignore
  const submission = {
    runId: 'r', organisation: 'acme', shard: 0, submittedBy: 'ada', traceparent: '', callerTraceparent: '',
    idempotencyKey: '', requestSha256: '', plan: { name: '', priority: 5, labels: {}, input: null, tasks: [task] },
  }; // prettier-ignore
  return newRun(submission, { now: 1, ageingMs: 1 });
}

const stored = (sequence: number): LoadedRun => {
  const { run, tasks } = born();
  return { run: { ...run, sequence }, tasks: tasks.map((row) => ({ ...row, output: undefined, item: undefined })) };
};

it('asks again for a run that was put out while it was read', async () => {
  const { residents, loads } = new World();
  const pinning = residents.pin(['r']);
  // Handed in as it was born, worked on, stored, put out: all while the first answer is on its way.
  const run = residents.adopt(born());
  run.pins += 1;
  residents.release([run]);
  expect(residents.get('r')).toBeUndefined();
  loads[0]?.([stored(1)]);
  await setImmediate();
  loads[1]?.([stored(10)]);
  const [pinned] = await pinning;
  expect(pinned?.row.sequence).toBe(10);
});

it('keeps a run that is about to be handed in as it was born', async () => {
  const { residents, loads } = new World();
  const handedIn = residents.expect('r');
  const pinning = residents.pin(['r']);
  loads[0]?.([stored(1)]);
  const runs = await pinning;
  const [run] = runs;
  if (run) run.row.sequence = 10;
  residents.release(runs);
  expect(residents.adopt(born()).row.sequence).toBe(10);
  handedIn();
  residents.release(await residents.pin(['r']));
  expect(residents.get('r')).toBeUndefined();
});

it('takes no text from an answer that is older than an output which was made and put out meanwhile', async () => {
  const { residents, loads, payloads } = new World();
  const pinning = residents.pin(['r']);
  loads[0]?.([stored(1)]);
  const [run] = await pinning;
  const task = run?.task('a');
  if (!task) throw new Error('it is not in memory');
  const reading = residents.withPayloads([task]);
  Object.assign(task, { state: 'SUCCEEDED', output: '"made"', finishedAt: 2 });
  residents.keepPayload(task);
  expect(task.output).toBeUndefined();
  payloads[0]?.([{ runId: 'r', taskId: 'a', itemIndex: -1, item: null, output: null }]);
  await reading;
  expect(task.output).toBeUndefined();
});
