/** What is kept of a failed test: logs of all processes, the ledger, the journal, and the history of each run complained about. */
import { cp, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { World } from '../src/world.js';
import type { Journal } from './journal.js';
import { glimpse, type Observed } from './observed.js';
import type { MeshUnderTest } from './mesh-under-test.js';

export interface Evidence {
  readonly world: World;
  readonly mesh: MeshUnderTest | undefined;
  readonly journal: Journal;
  readonly observed: ReadonlyMap<string, Observed>;
}

const LAST_LINES = 60;

/** Answers the folder, which nobody removes. */
export async function keepEvidence({ world, mesh, journal, observed }: Evidence): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'cogmesh-chaos-'));
  for (const name of ['logs', 'ledger', 'rabbitmq/log']) {
    await cp(join(world.directory.path, name), join(folder, name), { recursive: true }).catch(() => undefined);
  }
  await writeFile(join(folder, 'journal.txt'), `${journal.lines.join('\n')}\n`);
  for (const run of new Set(journal.complaints.map((each) => each.run))) {
    const found = observed.get(run);
    const told = found ? plain(found) : mesh && (await glimpseOf(mesh, run));
    if (told) await writeFile(join(folder, `${run}.json`), JSON.stringify(told, null, 1));
  }
  return folder;
}

/** Whose run it is only its organisation is told. */
async function glimpseOf({ clients }: MeshUnderTest, run: string): Promise<unknown> {
  for (const client of clients.values()) {
    const told = await glimpse(client, run).catch(() => undefined);
    if (told) return told;
  }
  return undefined;
}

const plain = ({ view, events, outputs, nested }: Observed): unknown => ({
  view,
  events,
  outputs: Object.fromEntries(outputs),
  nested: Object.fromEntries([...nested].map(([id, runs]) => [id, runs.map(plain)])),
});

export const lastLines = ({ lines }: Journal): string => lines.slice(-LAST_LINES).join('\n');
