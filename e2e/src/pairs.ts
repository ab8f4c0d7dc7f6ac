import type { RunDocument, TaskDocument } from '@cogmesh/sdk';

/** A script that is busy long enough to be in the middle of something when its worker dies. */
const busy = 'const end = Date.now() + 15; while (Date.now() < end); return input.n * 2';

const names = (count: number) => Array.from({ length: count }, (_, i) => String(i).padStart(3, '0'));

/** Ids of the tasks that write into the ledger, in order. */
export const ledgerTasks = (count: number): readonly string[] => names(count).map((name) => `t${name}`);

/** A run of `count` pairs: `s000 …` double a number in a worker, `t000 …` write it into the ledger of an SDK agent. */
export function pairs(count: number): RunDocument {
  const tasks = names(count).flatMap((name, i): TaskDocument[] => [
    { id: `s${name}`, uses: 'script', input: { n: i }, script: busy },
    { id: `t${name}`, uses: 'tool:acme/ledger', input: { n: `\${{ tasks.s${name}.output }}` } },
  ]);
  return { name: 'pairs', tasks };
}
