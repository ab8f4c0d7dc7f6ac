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
    ['a length in another spelling', request(post('Content_Length: 60', 'Content-Length: 0'), second)],
    ['an encoding in another spelling', request(post('Transfer_Encoding: chunked', 'Content-Length: 0'), second)],
    ['an encoding in another spelling yet', request(post('Transfer.Encoding: chunked', 'Content-Length: 0'), second)],
    ['an encoding with a parameter', request(post('Transfer-Encoding: chunked;q=1'), chunked)],
    ['a quoted encoding', request(post('Transfer-Encoding: "chunked"'), chunked)],
    ['an encoding in a list with nothing', request(post('Transfer-Encoding: chunked,'), chunked)],
    ['an encoding twice', request(post('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'), chunked)],
    ['an encoding in HTTP/1.0', request(post('Transfer-Encoding: chunked'), chunked).replace('HTTP/1.1', 'HTTP/1.0')],
    ['a length beyond numbers', request(post('Content-Length: 99999999999999999999'), second)],
    ['a length with a vertical tab', request(post('Content-Length: 0\x0b'), second)],
    ['a length between spaces', request(post('Content-Length: 1 0'), second)],
    ['a chunk size behind a space', request(post('Transfer-Encoding: chunked'), ` 0\r\n\r\n${second}`)],
    ['a chunk size before a space', request(post('Transfer-Encoding: chunked'), `0 \r\n\r\n${second}`)],
    ['a negative chunk size', request(post('Transfer-Encoding: chunked'), `-1\r\n\r\n${second}`)],
    ['a chunk size with an underscore', request(post('Transfer-Encoding: chunked'), `0_0\r\n\r\n${second}`)],
    ['a line feed in a chunk extension', request(post('Transfer-Encoding: chunked'), `0;a\nb\r\n\r\n${second}`)],
    ['a carriage return in a chunk extension', request(post('Transfer-Encoding: chunked'), `0;a\rb\r\n\r\n${second}`)],
    ['a chunk extension without end', request(post('Transfer-Encoding: chunked'), `0;a=${'b'.repeat(100_000)}`)],
    [
      'a length behind its body',
      request(post('Transfer-Encoding: chunked'), `0\r\nContent-Length: 60\r\n\r\n${second}`),
    ],
    ['a space before its first header', request([get('/v1/whoami')[0] ?? '', ' Host: gateway'], second)],
    ['a tab in its first line', request(['GET\t/v1/whoami\tHTTP/1.1', 'Host: gateway'], second)],
    ['HTTP/2.0 in its first line', request(['GET /v1/whoami HTTP/2.0', 'Host: gateway'], second)],
    ['HTTP/1.2 in its first line', request(['GET /v1/whoami HTTP/1.2', 'Host: gateway'], second)],
    ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a method in small letters', request(['get /v1/whoami HTTP/1.1', 'Host: gateway'], second)],
    ['a tunnel', request(['CONNECT other:443 HTTP/1.1', 'Host: other:443'], second)],
    ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
  ])('%s: 400, and what follows is never read', async (_name, bytes) => {
    const heard = await say(bytes);
    expect(statusesOf(heard)).toEqual([400]);
    expect(heard.toLowerCase()).toContain('connection: close');
    expect(problemOf(heard)).toMatchObject({ code: 'invalid_argument', status: 400 });
  });

  it.each([`1\r\nab\r\n${chunked}`, `1\r\na\n${chunked}`])(
    'a chunk that ends elsewhere than it says, %j, is the last that is read',
    async (body) => {
      const heard = await say(request(post('Transfer-Encoding: chunked'), body) + request(get('/v1/whoami')));
      expect(statusesOf(heard)).toEqual([400]);
      expect(heard.toLowerCase()).toContain('connection: close');
    },
  );

  it('headers behind a body say nothing of the caller', async () => {
    const said = 'X-Cogmesh-Organisation: acme\r\nAuthorization: Bearer other';
    const heard = await say(
      request(get('/v1/whoami', 'Transfer-Encoding: chunked', 'Connection: close'), `1\r\na\r\n0\r\n${said}\r\n\r\n`),
    );
    expect(statusesOf(heard)).toEqual([200]);
    expect(problemOf(heard)).toMatchObject({ organisation: 'globex' });
  });

  it('headers behind a body without end: 431', async () => {
    const heard = await say(
      request(get('/v1/whoami', 'Transfer-Encoding: chunked'), `0\r\n${'X-A: b\r\n'.repeat(10_000)}`),
    );
    expect(statusesOf(heard).at(-1)).toBe(431);
  });

  it.each<[string, string[]]>([
    ['h2c', ['Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA']],
    ['a WebSocket', ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Key: x']],
  ])('who asks for %s gets its answer, and nothing of what follows is read', async (_what, headers) => {
    const heard = await say(request(get('/v1/whoami', ...headers)) + request(get('/v1/whoami')));
    expect(statusesOf(heard)).toEqual([200]);
    expect(heard.toLowerCase()).toContain('connection: close');
  });

  it('an expectation that nobody knows: 417, and what follows is never read', async () => {
    const heard = await say(request(post('Expect: magic', 'Content-Length: 2'), '{}') + request(get('/v1/whoami')));
    expect(statusesOf(heard)).toEqual([417]);
    expect(problemOf(heard)).toMatchObject({ code: 'invalid_argument', status: 417 });
  });

  it('a body that is encoded: 415', async () => {
    for (const encoding of ['gzip', 'br', 'identity, gzip', 'x'])
      expect(
        statusesOf(
          await say(request(post(`Content-Encoding: ${encoding}`, 'Content-Length: 2', 'Connection: close'), '{}')),
        ),
      ).toEqual([415]);
  });

  it('requests in a row are answered in a row', async () => {
    const all = request(get('/v1/whoami')).repeat(20) + request(get('/v1/whoami', 'Connection: close'));
    expect(statusesOf(await say(all))).toEqual(Array.from({ length: 21 }, () => 200));
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
    ...['a b', 'a@b', 'a/b', 'a, b', '', 'a:b', '[::1', 'a\\b', 'a?b'].map((host): [string, string[]] => [
      `the host "${host}"`,
      ['GET /v1/whoami HTTP/1.1', `Host: ${host}`],
    ]),
    ['bytes that no UTF-8 has', get('/v1/runs/%FF', 'Connection: close')],
    ['a slash in too many bytes', get('/v1/runs/%C0%AF', 'Connection: close')],
    ['a slash in far too many bytes', get('/v1/runs/%E0%80%AF', 'Connection: close')],
    ['half a surrogate pair', get('/v1/runs/%ED%A0%80', 'Connection: close')],
    ['a Connection that takes its encoding away', get('/v1/whoami', 'Connection: transfer-encoding')],
    ['a parameter twice', get('/v1/runs?limit=1&limit=2', 'Connection: close')],
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
