/**
 * An SDK agent in the test's own process that serves `tool:acme/ledger`: each call is one line, written and synced to disk before it
 * answers. The file tells afterwards which task ran how often, whatever the mesh believes.
 */
import { type FileHandle, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Agent, createAgent } from '@cogmesh/sdk';
import type { World } from './world.js';

export interface Ledger {
  /** One entry per call, in order. */
  read(): Promise<readonly { readonly run: string; readonly task: string; readonly attempt: number }[]>;
  close(): Promise<void>;
}

export interface LedgerOptions {
  readonly world: World;
  readonly registry: string;
  /** Calls at once. */
  readonly concurrency: number;
  /** How long each call works, milliseconds. */
  readonly workMs: number;
}

export async function startLedger({ world, registry, concurrency, workMs }: LedgerOptions): Promise<Ledger> {
  const path = join(world.directory.path, `ledger-${Date.now()}.jsonl`);
  const file = await open(path, 'a');
  const agent = createAgent({
    registry,
    name: 'ledger',
    stopOn: [],
    maxReconnectDelayMs: 500,
    getToken: () => world.token('acme', 'operator'),
  });
  agent.handle(
    'acme/ledger',
    async (_input, { runId, taskId, attempt, signal }) => {
      await delay(workMs, undefined, { signal });
      await append(file, { run: runId, task: taskId, attempt });
      return { written: taskId };
    },
    { concurrency },
  );
  await agent.start();
  return { read: () => entries(path), close: () => close(agent, file) };
}

async function append(file: FileHandle, entry: object): Promise<void> {
  await file.appendFile(`${JSON.stringify(entry)}\n`);
  await file.datasync();
}

async function entries(path: string) {
  const text = await readFile(path, 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { run: string; task: string; attempt: number });
}

async function close(agent: Agent, file: FileHandle): Promise<void> {
  await agent.stop({ graceMs: 1_000 });
  await file.close();
}
