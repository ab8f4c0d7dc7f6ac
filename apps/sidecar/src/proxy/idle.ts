import type { ServerHttp2Session } from 'node:http2';

/**
 * Says goodbye to a connection on which no call is under way for `idleMs`. Bytes do not count: who sends a header block that never ends, or
 * pings for ever, has no call. The other side opens a new connection with its next call.
 */
export function closeWhenIdle(session: ServerHttp2Session, idleMs: number): void {
  let calls = 0;
  let timer: NodeJS.Timeout | undefined;
  const wait = (): void => {
    timer = setTimeout(() => {
      session.close();
      // A peer that does not go is cut.
      timer = setTimeout(() => session.destroy(), idleMs).unref();
    }, idleMs).unref();
  };
  wait();
  session.on('stream', (stream) => {
    calls += 1;
    clearTimeout(timer);
    stream.once('close', () => {
      calls -= 1;
      if (calls === 0 && !session.closed) wait();
    });
  });
  session.once('close', () => clearTimeout(timer));
}
