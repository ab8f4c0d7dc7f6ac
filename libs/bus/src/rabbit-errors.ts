/** RabbitMQ's refusals as our codes. The sentence of the broker is kept: it names the queue, the exchange, the argument. */
import { CogmeshError, type ErrorCode } from '@cogmesh/errors';

/** AMQP reply codes (AMQP 0-9-1, section 1.8). */
const codes: Readonly<Record<number, ErrorCode>> = {
  403: 'permission_denied',
  404: 'not_found',
  405: 'conflict',
  406: 'failed_precondition',
};

/** What a caller sees of a failed operation; a lost connection, a time-out and everything unexpected are `unavailable`. */
export function rabbitError(thrown: unknown, doing: string): CogmeshError {
  if (thrown instanceof CogmeshError) return thrown;
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const reply = 'code' in error && typeof error.code === 'number' ? error.code : 0;
  return new CogmeshError(codes[reply] ?? 'unavailable', `${doing}: ${error.message}`, {}, { cause: error });
}

/** Whether a refused login: trying again will not help. The broker says 403 before it closes the connection. */
export function isRefusedLogin(error: Error): boolean {
  return /ACCESS_REFUSED|Handshake terminated by server: 403/.test(error.message);
}

/** Rejects with `unavailable` when `work` takes longer than this. */
export async function within<T>(timeoutMs: number, work: Promise<T>, doing: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    const error = new CogmeshError('unavailable', `${doing}: no answer from RabbitMQ within ${timeoutMs} ms`);
    timer = setTimeout(() => reject(error), timeoutMs);
  });
  try {
    return await Promise.race([work, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
