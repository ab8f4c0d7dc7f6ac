/** The edge of the real gateway, spoken to in bytes: what could be understood in two ways is refused, and nothing after it is read. */
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GatewayWorld } from '../test/gateway-world.js';

let world: GatewayWorld;
let token: string;
beforeAll(async () => {
  world = await GatewayWorld.start({
    environment: { COGMESH_HTTP_HEADERS_TIMEOUT_MS: '1000', COGMESH_HTTP_REQUEST_TIMEOUT_MS: '1500' },
  });
  token = await world.token('member');
});
afterAll(() => world.stop());

/** Everything the gateway says before it closes, or until it has been quiet with the connection open. */
function say(...pieces: string[]): Promise<string> {
  const { hostname, port } = new URL(world.url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => pieces.forEach((piece) => socket.write(piece, 'latin1')));
    let heard = '';
    socket.on('data', (chunk) => (heard += chunk.toString('latin1')));
    socket.on('error', () => {});
    socket.once('close', () => resolve(heard));
    socket.setTimeout(4_000, () => socket.destroy());
  });
}

const request = (lines: readonly string[], body = '', end = '\r\n'): string =>
  `${[...lines, `Authorization: Bearer ${token}`].join(end)}${end}${end}${body}`;
const statusesOf = (heard: string): number[] =>
  Array.from(heard.matchAll(/HTTP\/1\.1 (\d{3}) /g), ([, status]) => Number(status));
const problemOf = (heard: string): unknown => JSON.parse(heard.slice(heard.indexOf('\r\n\r\n') + 4)) as unknown;

const get = (target: string, ...headers: string[]) => [`GET ${target} HTTP/1.1`, 'Host: gateway', ...headers];
const post = (...headers: string[]) => [
  'POST /v1/runs HTTP/1.1',
  'Host: gateway',
  'Content-Type: application/json',
  ...headers,
];
/** What a smuggler would hide behind a first request: it must never be answered. */
const second = 'GET /v1/whoami HTTP/1.1\r\nHost: gateway\r\nX-Second: 1\r\n\r\n';
const chunked = `0\r\n\r\n${second}`;

describe('a request with two ends', () => {
  it.each<[string, string]>([
    ['CL.TE', request(post('Content-Length: 5', 'Transfer-Encoding: chunked'), chunked)],
    ['TE.CL', request(post('Transfer-Encoding: chunked', 'Content-Length: 5'), chunked)],
    ['two lengths', request(post('Content-Length: 0', 'Content-Length: 60'), second)],
    ['two equal lengths', request(post('Content-Length: 0', 'Content-Length: 0'), second)],
    ['a list of lengths', request(post('Content-Length: 0, 60'), second)],
    ['a signed length', request(post('Content-Length: +0'), second)],
    ['a negative length', request(post('Content-Length: -1'), second)],
    ['a hexadecimal length', request(post('Content-Length: 0x3c'), second)],
    ['an empty length', request(post('Content-Length:'), second)],
    ['a length with a space before the colon', request(post('Content-Length : 0'), second)],
    ['two encodings', request(post('Transfer-Encoding: chunked', 'Transfer-Encoding: identity'), chunked)],
    ['a list of encodings', request(post('Transfer-Encoding: identity, chunked'), chunked)],
    ['chunked that is not last', request(post('Transfer-Encoding: chunked, gzip'), chunked)],
    ['an unknown encoding', request(post('Transfer-Encoding: xchunked'), chunked)],
    ['an encoding behind a space', request(post('Transfer-Encoding : chunked'), chunked)],
    ['an encoding behind a tab', request(post('Transfer-Encoding:\x0bchunked'), chunked)],
    ['an encoding on a folded line', request(post('Transfer-Encoding:', ' chunked'), chunked)],
    ['a folded header', request(post('Content-Length: 0', 'X-Fold: a', ' b'), second)],
    ['a chunk size with rubbish', request(post('Transfer-Encoding: chunked'), `0x0\r\n\r\n${second}`)],
    ['a chunk size that overflows', request(post('Transfer-Encoding: chunked'), `fffffffffffffffff\r\n\r\n${second}`)],
    [
      'a chunk that ends in a bare line feed',
      request(post('Transfer-Encoding: chunked'), `1\na\r\n0\r\n\r\n${second}`),
    ],
    [
      'a bare carriage return in a header',
      request(post('X-A: b\rTransfer-Encoding: chunked', 'Content-Length: 0'), second),
    ],
    ['a null byte in a header', request(post('X-A: b\0', 'Content-Length: 0'), second)],
    ['a header without a colon', request(post('Content-Length 0', 'Content-Length: 0'), second)],
    ['a header name with a space', request(post('X A: b', 'Content-Length: 0'), second)],
    ['a nameless header', request(post(': b', 'Content-Length: 0'), second)],
    ['bare line feeds', request(post('Content-Length: 0'), second, '\n')],
  ])('%s: 400, and what follows is never read', async (_name, bytes) => {
    const heard = await say(bytes);
    expect(statusesOf(heard)).toEqual([400]);
    expect(heard.toLowerCase()).toContain('connection: close');
    expect(problemOf(heard)).toMatchObject({ code: 'invalid_argument', status: 400 });
  });

  it('an honest body is read to its end, and the next request answered', async () => {
    const first = request(post('Transfer-Encoding: chunked'), '2\r\n{}\r\n0\r\n\r\n');
    const heard = await say(first, request(get('/v1/whoami', 'Connection: close')));
    expect(statusesOf(heard)).toEqual([400, 200]);
    expect(heard).toContain('invalid_run');
  });

  it('a body where none belongs is no second request', async () => {
    const heard = await say(
      request(get('/v1/whoami', `Content-Length: ${second.length}`), second),
      request(get('/v1/whoami', 'Connection: close')),
    );
    expect(statusesOf(heard)).toEqual([200, 200]);
  });
});

it('what is sent behind a refused request is not done', async () => {
  const count = async () =>
    ((await (await world.fetch('member', '/v1/runs')).json()) as { runs: unknown[] }).runs.length;
  const before = await count();
  const run = JSON.stringify({ tasks: [{ id: 'a', uses: 'script', script: 'return 1' }] });
  const submit = request(post(`Content-Length: ${run.length}`), run);
  expect(statusesOf(await say(request(get('/v1/whoami', 'Host: other')) + submit))).toEqual([400]);
  expect(await count()).toBe(before);
  expect(statusesOf(await say(submit.replace('Content-Type', 'Connection: close\r\nContent-Type')))).toEqual([202]);
  expect(await count()).toBe(before + 1);
});

describe('a request for nobody in particular', () => {
  it.each<[string, string[]]>([
    ['two hosts', get('/v1/whoami', 'Host: other')],
    ['no host', ['GET /v1/whoami HTTP/1.1']],
    ['two credentials', get('/v1/whoami', 'Authorization: Bearer other')],
    ['an absolute target', get('http://other/v1/whoami')],
    ['no leading slash', get('v1/whoami')],
    ['an asterisk', ['OPTIONS * HTTP/1.1', 'Host: gateway']],
    ['a double slash', get('//v1/whoami')],
    ['an inner double slash', get('/v1//whoami')],
    ['a dot segment', get('/v1/./whoami')],
    ['a parent segment', get('/v1/runs/../whoami')],
    ['an escaped parent segment', get('/v1/runs/%2e%2e/whoami')],
    ['an escaped slash', get('/v1%2Fwhoami')],
    ['an escaped parent segment in a name with slashes', get('/v1/limits/group/a%2F..%2Fb')],
    ['an escaped slash at its end', get('/v1/limits/group/a%2F')],
    ['a double escape', get('/v1/%252e%252e/whoami')],
    ['an escaped letter', get('/v1/who%61mi')],
    ['an escape in lower case', get('/v1/runs/a%c3%a9')],
    ['half an escape', get('/v1/runs/a%2')],
    ['an escaped null byte', get('/v1/runs/a%00')],
    ['an escaped line feed', get('/v1/runs/a%0A')],
    ['a backslash', get('/v1\\whoami')],
    ['a path parameter', get('/v1/whoami;x=1')],
    ['a fragment', get('/v1/whoami#x')],
    ['a slash at its end', get('/v1/whoami/')],
    ['bytes outside ASCII', get('/v1/whoami\xe9')],
    ['a Connection that takes its credentials away', get('/v1/whoami', 'Connection: close, Authorization')],
    ['a Connection that takes its length away', get('/v1/whoami', 'Connection: content-length')],
    ['too many headers', get('/v1/whoami', ...Array.from({ length: 130 }, (_, at) => `X-${at}: 1`))],
  ])('%s: 400', async (_name, lines) => {
    const heard = await say(request(lines));
    expect(statusesOf(heard)).toEqual([400]);
    expect(problemOf(heard)).toMatchObject({ code: 'invalid_argument', status: 400 });
  });

  it.each([
    'x-cogmesh-organisation: acme',
    'X_Forwarded_User: root',
    'Remote-User: root',
    'X-HTTP-Method-Override: DELETE',
  ])('the header "%s" changes nothing', async (header) => {
    const heard = await say(request(get('/v1/whoami', header, 'Connection: close')));
    expect(problemOf(heard)).toMatchObject({ organisation: 'globex' });
  });

  it('headers that are too large: 431', async () => {
    const heard = await say(request(get('/v1/whoami', `X-A: ${'a'.repeat(40_000)}`)));
    expect(statusesOf(heard)).toEqual([431]);
    expect(problemOf(heard)).toMatchObject({ status: 431 });
  });

  it('JSON that nests without end: 400', async () => {
    const body = '['.repeat(100_000);
    const heard = await say(request(post(`Content-Length: ${body.length}`, 'Connection: close'), body));
    expect(problemOf(heard)).toMatchObject({ code: 'invalid_json' });
  });
});

describe('a client that is slow', () => {
  it('with its headers is cut off', async () => {
    const heard = await say('GET /v1/whoami HTTP/1.1\r\nHost: gateway\r\n');
    expect(statusesOf(heard)).toEqual([408]);
    expect(problemOf(heard)).toMatchObject({ code: 'timeout', status: 408 });
  });

  it('with its body is cut off', async () => {
    const heard = await say(request(post('Content-Length: 100'), '{'));
    expect(statusesOf(heard)).toEqual([408]);
  });
});
