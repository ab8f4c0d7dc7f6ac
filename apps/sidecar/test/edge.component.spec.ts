/** The sidecar's edge, spoken to in frames and bytes: what is malformed or ambiguous never reaches the service. */
import { connect as connectHttp2, type ClientHttp2Session, type OutgoingHttpHeaders } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { schedulerV1 } from '@cogmesh/contracts';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { SidecarWorld } from './sidecar-world.js';

const submit = `/${schedulerV1.SchedulerService.typeName}/SubmitRun`;
const idleMs = 400;
const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

let world: SidecarWorld;
beforeAll(async () => {
  world = await SidecarWorld.open({ COGMESH_SIDECAR_IDLE_TIMEOUT_MS: String(idleMs) });
});
afterAll(() => world.close());

const opened: { destroy(): void }[] = [];
afterEach(() => {
  for (const one of opened.splice(0)) one.destroy();
  world.guarded.calls.length = 0;
});

function socket(): Socket {
  const [host = '', port] = world.address.split(':');
  const made = connect(Number(port), host);
  made.on('error', () => {});
  made.resume();
  opened.push(made);
  return made;
}

const closed = (one: Socket | ClientHttp2Session): Promise<boolean> =>
  new Promise((resolve) => one.once('close', () => resolve(true)));

/** One frame of HTTP/2. */
function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}
const settings = frame(4, 0, 0, Buffer.alloc(0));

/** HPACK, literal without indexing, no Huffman: what a well-behaved library would not send. */
function block(fields: readonly (readonly [string, string])[]): Buffer {
  const text = (value: string): Buffer => {
    const bytes = Buffer.from(value, 'latin1');
    const length =
      bytes.length < 127 ? [bytes.length] : [127, ((bytes.length - 127) & 0x7f) | 0x80, (bytes.length - 127) >> 7];
    return Buffer.concat([Buffer.from(length), bytes]);
  };
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]));
}

/** Sends a call as raw frames, and whether the service saw it once the sidecar has answered or hung up. */
async function rawCall(fields: readonly (readonly [string, string])[], data = Buffer.alloc(5)): Promise<boolean> {
  const { authorization } = await world.permit();
  const pseudo = [':method', ':scheme', ':path', ':authority'];
  const defaults: [string, string][] = [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', submit],
    [':authority', 'scheduler'],
  ];
  const given = new Set(fields.map(([name]) => name));
  const all = [
    ...defaults.filter(([name]) => !given.has(name)),
    ...fields.filter(([name]) => pseudo.includes(name)),
    ['content-type', 'application/grpc'] as const,
    ['authorization', authorization] as const,
    ...fields.filter(([name]) => !pseudo.includes(name)),
  ];
  const one = connect({ host: world.address.split(':')[0] ?? '', port: Number(world.address.split(':')[1]) });
  opened.push(one);
  one.on('error', () => {});
  one.write(Buffer.concat([Buffer.from(preface), settings, frame(1, 4, 1, block(all)), frame(0, 1, 1, data)]));
  await new Promise<void>((resolve) => {
    let heard = Buffer.alloc(0);
    one.on('data', (chunk: Buffer) => {
      heard = Buffer.concat([heard, chunk]);
      // HEADERS (1), RST_STREAM (3) or GOAWAY (7) end the wait.
      for (let at = 0; at + 9 <= heard.length; at += 9 + heard.readUIntBE(at, 3))
        if ([1, 3, 7].includes(heard.readUInt8(at + 3))) resolve();
    });
    one.once('close', () => resolve());
  });
  return world.guarded.calls.length > 0;
}

describe('a message that HTTP/2 calls malformed never reaches the service', () => {
  it('while the same frames without the fault do', async () => {
    expect(await rawCall([['te', 'trailers']])).toBe(true);
  });

  it.each<[string, readonly (readonly [string, string])[]]>([
    ['transfer-encoding', [['transfer-encoding', 'chunked']]],
    ['connection', [['connection', 'close, authorization']]],
    ['upgrade', [['upgrade', 'h2c']]],
    ['te that asks for more', [['te', 'trailers, chunked']]],
    ['a name in capitals', [['X-A', 'b']]],
    ['a length that the body does not have', [['content-length', '4']]],
    [
      'two lengths',
      [
        ['content-length', '5'],
        ['content-length', '6'],
      ],
    ],
    [
      'two paths',
      [
        [':path', submit],
        [':path', '/x.Y/Z'],
      ],
    ],
    ['an unknown pseudo-header', [[':user', 'root']]],
    ['a path with a line end', [[':path', `${submit} HTTP/1.1\r\nX: y`]]],
    ['a path without a slash', [[':path', submit.slice(1)]]],
    ['a path with a query', [[':path', `${submit}?x=1`]]],
    ['an absolute path', [[':path', `http://scheduler${submit}`]]],
    ['an empty path', [[':path', '']]],
    ['a method that is none', [[':method', 'POST /x HTTP/1.1']]],
    ['a host that is another', [['host', 'registry']]],
    [
      'two methods',
      [
        [':method', 'POST'],
        [':method', 'GET'],
      ],
    ],
    ['a tunnel', [[':method', 'CONNECT']]],
    ['another protocol', [[':protocol', 'websocket']]],
    ['no scheme', [[':scheme', '']]],
    ['a path with a fragment', [[':path', `${submit}#x`]]],
    ['a path with a parameter', [[':path', `${submit};x`]]],
    ['a path with an escape', [[':path', submit.replace('/SubmitRun', '%2FSubmitRun')]]],
    ['a path with a dot segment', [[':path', `/.${submit}`]]],
    ['a path with a double slash', [[':path', `/${submit}`]]],
    ['a path with a slash at its end', [[':path', `${submit}/`]]],
    ['keep-alive', [['keep-alive', 'timeout=5']]],
    ['proxy-connection', [['proxy-connection', 'close']]],
  ])('%s', async (_name, fields) => {
    expect(await rawCall(fields)).toBe(false);
  });
});

it.each<[string, string, string]>([
  ['a value without a name', '', 'smuggled'],
  ['a name with a colon', 'x:a', 'smuggled'],
  ['a name with a space', 'x a', 'smuggled'],
  ['a value with a line end', 'x-a', 'b\r\nx-cogmesh-subject: smuggled'],
  ['a value with a null byte', 'x-a', 'b\0smuggled'],
])('%s does not go on', async (_name, name, value) => {
  await rawCall([[name, value]]);
  const seen = world.guarded.calls.flatMap(({ metadata }) => [...metadata]);
  expect(JSON.stringify(seen)).not.toContain('smuggled');
});

describe('a connection', () => {
  it('in HTTP/1.1 is closed without an answer from the service', async () => {
    const one = socket();
    one.write(`POST ${submit} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n`);
    expect(await closed(one)).toBe(true);
    expect(world.guarded.calls).toHaveLength(0);
  });

  it('that says nothing is closed', async () => {
    expect(await closed(socket())).toBe(true);
  });

  it('that dribbles a header block that never ends is closed', async () => {
    const one = socket();
    one.write(Buffer.concat([Buffer.from(preface), settings, frame(1, 0, 1, block([[':method', 'POST']]))]));
    const dribble = setInterval(() => one.write(Buffer.concat([frame(9, 0, 1, Buffer.alloc(0))])), 50);
    const pings = setInterval(() => one.write(frame(6, 0, 0, Buffer.alloc(8))), 100);
    expect(await closed(one)).toBe(true);
    clearInterval(dribble);
    clearInterval(pings);
  });

  it('with a call under way stays; without one it is closed, and the next call opens another', async () => {
    const client = world.client(schedulerV1.SchedulerService);
    const getRun = submit.replace('SubmitRun', 'GetRun');
    const metadata = await world.permit({ method: getRun, access: [{ action: 'read', resource: '/runs/held' }] });
    const session = connectHttp2(`http://${world.address}`);
    opened.push(session);
    const gone = closed(session);
    const headers: OutgoingHttpHeaders = { ':method': 'POST', ':path': getRun, 'content-type': 'application/grpc' };
    const stream = session.request({ ...headers, te: 'trailers', ...metadata });
    stream.on('error', () => {});
    stream.end(Buffer.from([0, 0, 0, 0, 6, 0x0a, 4, ...Buffer.from('held')]));
    stream.resume();
    const answered = closed(stream as unknown as Socket);
    await expect.poll(() => world.guarded.calls.length).toBe(1);
    // A second connection, idle since later, is closed first: so much time has passed for the busy one, too.
    expect(await closed(socket())).toBe(true);
    expect(session.closed).toBe(false);
    world.guarded.release();
    expect(await answered).toBe(true);
    expect(await gone).toBe(true);
    const run = await client.submitRun({ documentJson: 'abc' }, { metadata: await world.permit() });
    expect(run.run?.id).toBe('run_3');
  });

  it.each<[string, (turn: number) => Buffer]>([
    [
      'continues a header block',
      (turn) =>
        turn === 0 ? frame(1, 0, 1, block([[':method', 'POST']])) : frame(9, 0, 1, block([['x-a', 'b'.repeat(100)]])),
    ],
    [
      'continues a header block with nothing',
      (turn) => (turn === 0 ? frame(1, 0, 1, block([[':method', 'POST']])) : frame(9, 0, 1, Buffer.alloc(0))),
    ],
    ['sends settings', () => settings],
    ['sends pings', () => frame(6, 0, 0, Buffer.alloc(8))],
    [
      'sends empty data',
      (turn) =>
        turn === 0
          ? frame(
              1,
              4,
              1,
              block([
                [':method', 'POST'],
                [':scheme', 'http'],
                [':path', submit],
              ]),
            )
          : frame(0, 0, 1, Buffer.alloc(0)),
    ],
    ['widens a window beyond all bounds', () => frame(8, 0, 0, Buffer.from([0x7f, 0xff, 0xff, 0xff]))],
    ['sends data of a call that never began', () => frame(0, 0, 7, Buffer.alloc(5))],
    [
      'calls under an even number',
      () =>
        frame(
          1,
          5,
          2,
          block([
            [':method', 'POST'],
            [':scheme', 'http'],
            [':path', submit],
          ]),
        ),
    ],
    ['pads more than there is', () => frame(0, 8, 1, Buffer.from([9, 0]))],
    ['sends a frame that is larger than agreed', () => frame(0, 0, 1, Buffer.alloc(70_000))],
  ])('that %s is cut, and reads nothing of ours into memory', async (_what, next) => {
    const one = connect({ host: world.address.split(':')[0] ?? '', port: Number(world.address.split(':')[1]) });
    opened.push(one);
    one.on('error', () => {});
    const gone = closed(one);
    one.write(Buffer.concat([Buffer.from(preface), settings]));
    for (let turn = 0; turn < 20_000 && !one.destroyed; turn += 1)
      // Not read from: what it is answered piles up on the other side, as an attacker would have it.
      if (!one.write(next(turn)))
        await new Promise<void>((resolve) => (one.once('drain', resolve), one.once('close', resolve)));
    one.resume();
    expect(await gone).toBe(true);
    expect(world.guarded.calls).toHaveLength(0);
  });

  it('that opens and resets calls without end is cut', async () => {
    const one = socket();
    one.write(Buffer.concat([Buffer.from(preface), settings]));
    const { authorization } = await world.permit({ roles: [] });
    const head = block([
      [':method', 'POST'],
      [':scheme', 'http'],
      [':path', submit],
      ['authorization', authorization],
    ]);
    const reset = Buffer.from([0, 0, 0, 8]);
    for (let stream = 1; stream < 6_000 && !one.destroyed; stream += 2)
      one.write(Buffer.concat([frame(1, 4, stream, head), frame(3, 0, stream, reset)]));
    expect(await closed(one)).toBe(true);
    expect(world.guarded.calls).toHaveLength(0);
  });
});
