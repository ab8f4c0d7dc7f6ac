import { CogmeshError } from '@cogmesh/errors';

export function isSystemError(thrown: unknown, code: string): boolean {
  return thrown instanceof Error && (thrown as NodeJS.ErrnoException).code === code;
}

/** Runs a step on the file system: a missing file is `not_found`, all else `unavailable` (full, read-only, gone). */
export async function storing<T>(step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (thrown) {
    if (thrown instanceof CogmeshError) throw thrown;
    if (isSystemError(thrown, 'ENOENT')) throw new CogmeshError('not_found', 'no such blob', {}, { cause: thrown });
    const reason = (thrown as NodeJS.ErrnoException).code ?? String(thrown);
    throw new CogmeshError('unavailable', `the blob store cannot use its folder: ${reason}`, {}, { cause: thrown });
  }
}
