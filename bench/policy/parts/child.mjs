/** A part of the path in a process of its own: started by fork, says `{ ready: … }` once it listens, ends with its parent. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

export async function startChild(name, options) {
  const child = fork(join(import.meta.dirname, `${name}.mjs`), [JSON.stringify(options)], {
    execArgv: ['--no-warnings'],
  });
  const gone = once(child, 'exit').then(([code]) => {
    throw new Error(`${name} ended with ${code} before it listened`);
  });
  const [{ ready }] = await Promise.race([once(child, 'message'), gone]);
  gone.catch(() => {});
  return { ready, stop: () => (child.disconnect(), once(child, 'exit')) };
}

/** In the child. */
export const options = () => JSON.parse(process.argv[2]);

export function ready(what) {
  process.once('disconnect', () => process.exit(0));
  process.send({ ready: what });
}
