/**
 * A process of its own that serves `tool:<organisation>/work`: node work-process.ts <registry> <token> <organisation> <name>
 * <file>. Each call is told to the file, synced, before it begins and before it is answered, so the file says afterwards what
 * was done whatever the mesh believes. What it answers follows from its input alone.
 */
import { open } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { CogmeshError, createAgent } from '@cogmesh/sdk';

interface Input {
  readonly n: number;
  readonly from: unknown;
  readonly does: string;
  readonly failures: number;
  readonly workMs: number;
  readonly bulky: boolean;
}

const CONCURRENCY = 4;
const BULK_CHARACTERS = 70_000;

const [registry = '', token = '', organisation = '', name = '', path = ''] = process.argv.slice(2);
const file = await open(path, 'a');

async function note(entry: object): Promise<void> {
  await file.appendFile(`${JSON.stringify({ at: Date.now(), ...entry })}\n`);
  await file.datasync();
}

function weigh(value: unknown): number {
  if (value === null || value === undefined) return 0;
  if (typeof value === 'number') return value;
  if (Array.isArray(value)) return value.reduce<number>((sum, each) => sum + weigh(each), 0);
  const { out, v } = value as { readonly out?: unknown; readonly v?: unknown };
  return out === undefined ? weigh(v) : weigh(out);
}

function failureOf({ n, does, failures }: Input, attempt: number): CogmeshError | undefined {
  if (does === 'never' || (does === 'flaky' && attempt <= failures))
    return new CogmeshError('unavailable', 'as planned');
  if (does === 'broken' || (does === 'picky' && n % 4 === 3)) return new CogmeshError('invalid_input', 'as planned');
  return undefined;
}

function answerTo({ n, from, bulky }: Input): object {
  const v = (7 * n + 3 * weigh(from) + 1) % 9973;
  const list = Array.from({ length: v % 6 }, (_, index) => (v + index) % 50);
  return { v, list, ...(bulky ? { pad: 'x'.repeat(BULK_CHARACTERS) } : {}) };
}

const agent = createAgent({ registry, token, name, maxReconnectDelayMs: 500 });
agent.handle<Input>(
  `${organisation}/work`,
  async (input, { runId, taskId, index, attempt, signal }) => {
    const call = { run: runId, task: taskId, index: index ?? -1, attempt };
    await note({ ...call, input });
    await delay(input.workMs, undefined, { signal });
    const failure = failureOf(input, attempt);
    await note({ ...call, answer: failure ? 'failed' : 'done' });
    if (failure) throw failure;
    return answerTo(input);
  },
  { concurrency: CONCURRENCY },
);
await agent.start();
await agent.closed;
