/**
 * A wire between two processes that a test can cut: bytes go through as they come, until it is cut. Cut `silently`, connections stay open and
 * nothing arrives any more, as behind a lost route; cut with a `reset`, they end and no new one is accepted.
 */
import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';

export type Cut = 'silent' | 'reset';

export class CutProxy {
  /** `host:port` on which the other end seems to be. */
  readonly address: string;
  /** `host:port` of the other end. */
  target = '';
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #cut: Cut | undefined;

  private constructor(server: Server) {
    this.#server = server;
    this.address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('connection', (near) => this.#connected(near));
  }

  static async open(): Promise<CutProxy> {
    const server = createServer({ pauseOnConnect: true });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new CutProxy(server);
  }

  cut(how: Cut): void {
    this.#cut = how;
    for (const socket of this.#sockets) {
      if (how === 'reset') socket.resetAndDestroy();
      else socket.pause();
    }
  }

  heal(): void {
    this.#cut = undefined;
    for (const socket of this.#sockets) socket.resume();
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #connected(near: Socket): void {
    if (this.#cut === 'reset') {
      near.resetAndDestroy();
      return;
    }
    const [host = '', port = '0'] = this.target.split(':');
    const far = connect({ host, port: Number(port) });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(from);
      from.on('data', (bytes) => {
        if (!to.destroyed) to.write(bytes);
      });
      from.on('error', () => to.destroy());
      from.on('end', () => to.end());
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
    }
    if (this.#cut === 'silent') near.pause();
    else near.resume();
  }
}
