import { CogmeshError } from '@cogmesh/sdk';

/** The error with which a call was refused; fails when it was not. */
export async function refusalOf(call: Promise<unknown>): Promise<CogmeshError> {
  let answer: unknown;
  try {
    answer = await call;
  } catch (thrown) {
    if (thrown instanceof CogmeshError) return thrown;
    throw thrown;
  }
  throw new Error(`it was not refused but answered ${JSON.stringify(answer)?.slice(0, 500)}`);
}
