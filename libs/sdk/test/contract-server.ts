/** A real HTTP server on loopback that answers from a script, one entry per request, and remembers what it was asked. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

export type Answer = (response: ServerResponse, asked: Asked) => void;

export class ContractServer {
  readonly asked: Asked[] = [];
  readonly #script: Answer[] = [];
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  static async start(): Promise<ContractServer> {
    const server = new ContractServer();
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  answer(...answers: readonly Answer[]): void {
    this.#script.push(...answers);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const asked = {
      method: request.method ?? '',
      url: request.url ?? '',
      headers: request.headers,
      body: Buffer.concat(chunks),
    };
    this.asked.push(asked);
    const answer = this.#script.shift() ?? problem(500, 'internal', 'the script of this test has no more answers');
    answer(response, asked);
  }
}

export function json(value: unknown, status = 200): Answer {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  };
}

export function problem(
  status: number,
  code: string,
  detail: string,
  more: Readonly<Record<string, unknown>> = {},
): Answer {
  const { retryAfter, ...body } = more;
  return (response) => {
    response
      .writeHead(status, {
        'content-type': 'application/problem+json',
        ...(retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }),
      })
      .end(JSON.stringify({ type: `urn:cogmesh:error:${code}`, status, code, detail, ...body }));
  };
}

/** Sends the events, then ends the answer or breaks the connection. */
export function events(
  list: readonly (readonly [sequence: number, type: string])[],
  end: 'end' | 'break' = 'end',
): Answer {
  return (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const text = list.map(([sequence, type]) => {
      const data = { time: '2026-11-24T16:00:00.000Z', runState: 'RUNNING' };
      return `id: ${sequence}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`;
    });
    response.write(`: hello\n\n${text.join('')}`, () => (end === 'end' ? response.end() : response.destroy()));
  };
}

export const breakConnection: Answer = (response) => response.destroy();
