import type { Environment } from '@cogmesh/config';

/** What an engine may know of the worker's environment: where programs, libraries and scratch space are. */
const passedOn = ['PATH', 'LD_LIBRARY_PATH', 'TMPDIR', 'SystemRoot', 'TEMP'] as const;

/** The environment engines start with. */
export function engineEnvironment(environment: Environment): Record<string, string> {
  const kept = passedOn.flatMap((name) => {
    const value = environment[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  // Each arena of glibc keeps freed memory for itself; one is enough for a process with one run loop.
  return { ...Object.fromEntries(kept), MALLOC_ARENA_MAX: '1' };
}
