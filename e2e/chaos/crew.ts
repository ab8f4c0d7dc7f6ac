/**
 * Agents of the organisations, each a process of its own that is started again when it ends, as whoever runs it would. Their
 * files together are the ledger: what was begun and what was answered.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { killHard, startCommand, type RunningCommand } from '../src/processes.js';
import type { Organisation, World } from '../src/world.js';
import type { Journal } from './journal.js';
import type { WorkInput } from './program.js';

export interface LedgerEntry {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly run: string;
  readonly task: string;
  /** -1 for a task without items. */
  readonly index: number;
  readonly attempt: number;
  /** Of an entry that says that the work begins. */
  readonly input?: WorkInput;
  /** Of one that says what will be answered. */
  readonly answer?: 'done' | 'failed';
}

export interface Crew {
  readonly names: readonly string[];
  pidOf(name: string): number;
  ledger(): Promise<readonly LedgerEntry[]>;
  stop(): Promise<void>;
}

/** Two of the first, so that work may move to another. */
const members: readonly (readonly [string, Organisation])[] = [
  ['agent-acme-1', 'acme'],
  ['agent-acme-2', 'acme'],
  ['agent-globex', 'globex'],
  ['agent-initech', 'initech'],
];
/** Calls of the whole crew at once: `work-process.ts` takes four each. */
export const crewConcurrency = members.length * 4;

const script = fileURLToPath(new URL('./work-process.ts', import.meta.url));
const RESTART_AFTER_MS = 200;

export interface CrewOptions {
  readonly world: World;
  readonly registry: string;
  /** Of the ledger. */
  readonly folder: string;
  readonly journal: Journal;
}

export async function startCrew({ world, registry, folder, journal }: CrewOptions): Promise<Crew> {
  const running = new Map<string, RunningCommand>();
  let isStopping = false;
  const start = (name: string, organisation: Organisation, token: string, life = 1): void => {
    // A killed one may leave half a line, so each life has a file of its own.
    const file = join(folder, `${name}-${life}.jsonl`);
    const command = startCommand(process.execPath, [
      '--no-warnings',
      script,
      registry,
      token,
      organisation,
      name,
      file,
    ]);
    running.set(name, command);
    void command.ended.then(({ code, stderr }) => {
      if (isStopping) return;
      journal.note(`${name} ended with ${code} ${/^\w*Error: .*$/m.exec(stderr)?.[0] ?? ''}`);
      setTimeout(() => isStopping || start(name, organisation, token, life + 1), RESTART_AFTER_MS);
    });
  };
  for (const [name, organisation] of members) start(name, organisation, await world.token(organisation, 'operator'));
  return {
    names: members.map(([name]) => name),
    pidOf: (name) => running.get(name)?.pid ?? 0,
    ledger: () => readLedger(folder),
    stop: async () => {
      isStopping = true;
      for (const { pid, child } of running.values()) if (child.exitCode === null) killHard(pid);
      await Promise.all([...running.values()].map(({ ended }) => ended));
    },
  };
}

async function readLedger(folder: string): Promise<readonly LedgerEntry[]> {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.jsonl'));
  const texts = await Promise.all(files.map((name) => readFile(join(folder, name), 'utf8')));
  // What follows the last line break was never synced.
  return texts.flatMap((text) =>
    text
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as LedgerEntry),
  );
}
