import { CogmeshError } from '@cogmesh/errors';

/** What fails because the gateway stops has not failed for good: the caller is told to come back, not that it gave up itself. */
export async function unlessClosing<T>(closing: AbortSignal, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (thrown) {
    throw closing.aborted ? gatewayStops() : thrown;
  }
}

export const gatewayStops = (): CogmeshError =>
  new CogmeshError('unavailable', 'the gateway stops; resume the watch', { retryAfterSeconds: 1 });
