import { createServer, type Server } from 'node:http';
import type { Readiness } from './definition.js';

const READINESS_TIMEOUT_MS = 2_000;

export interface HealthServer {
  readonly url: string;
  close(): Promise<void>;
}

/** `/healthz`: the process answers. `/readyz`: 200 or 503 with one entry per check. Loopback or a pod's network only. */
export async function serveHealth(listen: string, readiness: () => Promise<Readiness>): Promise<HealthServer> {
  const [host = '127.0.0.1', port = '0'] = [
    listen.slice(0, listen.lastIndexOf(':')),
    listen.slice(listen.lastIndexOf(':') + 1),
  ];
  const server = createServer((request, response) => {
    void answer(request.url ?? '/', readiness).then(({ status, body }) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
    });
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(Number(port), host, resolve));
  return { url: urlOf(server), close: () => new Promise((resolve) => server.close(() => resolve())) };
}

function urlOf(server: Server): string {
  const address = server.address();
  return typeof address === 'object' && address ? `http://${address.address}:${address.port}` : '';
}

async function answer(path: string, readiness: () => Promise<Readiness>) {
  if (path === '/healthz') return { status: 200, body: { status: 'ok' } };
  if (path !== '/readyz') return { status: 404, body: { error: 'only /healthz and /readyz are here' } };
  const timeout = new Promise<Readiness>((resolve) =>
    setTimeout(
      () => resolve({ ready: false, checks: { readiness: { ready: false, detail: 'no answer in time' } } }),
      READINESS_TIMEOUT_MS,
    ).unref(),
  );
  const found = await Promise.race([readiness(), timeout]);
  return { status: found.ready ? 200 : 503, body: found };
}
