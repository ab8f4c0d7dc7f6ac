import { readdir, readFile } from 'node:fs/promises';

/**
 * Proportional set size of processes and all their descendants, MiB: memory shared between them counts once
 * (/proc/<pid>/smaps_rollup, Linux). Elsewhere the resident size of this process alone.
 */
export async function memoryMiB(roots: readonly number[]): Promise<number> {
  if (process.platform !== 'linux') return Math.round(process.memoryUsage.rss() / 2 ** 20);
  const children = await childrenByParent();
  const pids = new Set<number>();
  const add = (pid: number): void => {
    if (pids.has(pid)) return;
    pids.add(pid);
    children.get(pid)?.forEach(add);
  };
  roots.forEach(add);
  const sizes = await Promise.all([...pids].map(pssKiB));
  return Math.round(sizes.reduce((sum, size) => sum + size, 0) / 1024);
}

async function childrenByParent(): Promise<Map<number, number[]>> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const children = new Map<number, number[]>();
  for (const pid of pids) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    // The command name stands in parentheses and may contain anything.
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    if (parent > 0) children.set(parent, [...(children.get(parent) ?? []), Number(pid)]);
  }
  return children;
}

async function pssKiB(pid: number): Promise<number> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '');
  return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0);
}
