import { CogmeshError } from '@cogmesh/errors';

export function isSystemError(thrown: unknown, code: string): boolean {
  return thrown instanceof Error && (thrown as NodeJS.ErrnoException).code === code;
}

/** Runs a step on the file system: what it throws becomes `unavailable` (full, read-only, gone). */
export async function storing<T>(step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (thrown) {
    if (thrown instanceof CogmeshError) throw thrown;
    const reason = (thrown as NodeJS.ErrnoException).code ?? String(thrown);
    throw new CogmeshError('unavailable', `the blob store cannot use its folder: ${reason}`, {}, { cause: thrown });
  }
}
