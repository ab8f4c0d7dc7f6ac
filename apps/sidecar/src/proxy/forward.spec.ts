/** A service that goes away in the middle of its answer, as the caller of the sidecar sees it. */
import { once } from 'node:events';
import {
  connect,
  createServer,
  type ClientHttp2Session,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { forward } from './forward.js';

const servers: Http2Server[] = [];
const sessions: ClientHttp2Session[] = [];

afterEach(() => {
  for (const session of sessions.splice(0)) session.destroy();
  for (const server of servers.splice(0)) server.close();
});

async function serve(onStream: (stream: ServerHttp2Stream) => void): Promise<ClientHttp2Session> {
  const server = createServer()
    .on('stream', onStream)
    .on('sessionError', () => {});
  servers.push(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const session = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`).on('error', () => {});
  sessions.push(session);
  return session;
}

/** Goes on with an answer of which the caller has read the first half. */
type Answer = (stream: ServerHttp2Stream) => void;

/** What a caller reads of a service that answers so. */
async function readThrough(answer: Answer) {
  let goOn = (): void => {};
  const service = await serve((stream) => {
    stream.on('error', () => {});
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.write('half of it');
    goOn = () => answer(stream);
  });
  const sidecar = await serve((inbound) => {
    const outbound = service.request({ ':method': 'POST', ':path': '/x' }, { endStream: false });
    void forward(inbound, outbound, { grpc: true, maxBodyBytes: 0 });
  });
  const call = sidecar.request({ ':method': 'POST', ':path': '/x' }, { endStream: false });
  call.on('error', () => {});
  let trailers: IncomingHttpHeaders = {};
  let body = '';
  call.setEncoding('utf8').on('data', (text: string) => {
    body += text;
    goOn();
  });
  call.once('trailers', (headers) => (trailers = headers));
  call.end('request');
  await once(call, 'close');
  return { body, status: trailers['grpc-status'] };
}

it.each<[string, Answer]>([
  ['lost its connection', (stream) => stream.session?.destroy()],
  ['ended without a status', (stream) => stream.on('wantTrailers', () => stream.close()).end()],
])('is unavailable when the service %s', async (_, answer) => {
  expect(await readThrough(answer)).toEqual({ body: 'half of it', status: '14' });
});

it('is what the service says when it says so', async () => {
  const answer: Answer = (stream) => stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '5' })).end();
  expect(await readThrough(answer)).toEqual({ body: 'half of it', status: '5' });
});
