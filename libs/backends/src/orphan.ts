/**
 * A server whose owner was killed with SIGKILL lives on and holds its folder. The next owner of the folder ends it. The pid
 * file alone proves nothing (pids are used again), so the process must name the folder in its arguments or environment.
 */
import { readFile, rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';

const endGraceMs = 10_000;
const pollMs = 50;

/** Ends the process of `pidFile` if it is a server on `dir`; the file is gone afterwards. */
export async function endOrphan(pidFile: string, dir: string): Promise<void> {
  const pid = Number.parseInt(await read(pidFile), 10);
  if (pid > 1 && (await servesFolder(pid, dir))) {
    process.kill(pid, 'SIGTERM');
    const deadline = Date.now() + endGraceMs;
    while (await servesFolder(pid, dir)) {
      if (Date.now() > deadline) process.kill(pid, 'SIGKILL');
      await delay(pollMs);
    }
  }
  await rm(pidFile, { force: true });
}

async function servesFolder(pid: number, dir: string): Promise<boolean> {
  const [args, environment] = await Promise.all([read(`/proc/${pid}/cmdline`), read(`/proc/${pid}/environ`)]);
  return `${args}\0${environment}`.includes(dir);
}

const read = (file: string): Promise<string> => readFile(file, 'utf8').catch(() => '');
