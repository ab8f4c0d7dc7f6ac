/** Limits and streams of the real gateway: pace, resumption, slots, rate, and a stop with streams open. */
import { connect } from 'node:net';
import { schedulerV1 } from '@cogmesh/contracts';
import { afterEach, describe, expect, it } from 'vitest';
import { GatewayWorld, until, type WorldOptions } from '../test/gateway-world.js';

let world: GatewayWorld;
const start = async (environment: NonNullable<WorldOptions['environment']> = {}) =>
  (world = await GatewayWorld.start({ environment }));
afterEach(() => world.stop());

const done = { type: 'run.done', runState: schedulerV1.RunState.SUCCEEDED };
const progress = (size = 10) => ({
  type: 'task.progress',
  taskId: 'detect',
  dataJson: JSON.stringify('x'.repeat(size)),
});

/** Sequence numbers of a stream's complete events, as they arrive. */
async function* sequencesOf(response: Response): AsyncGenerator<number> {
  let text = '';
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const blocks = (text + chunk).split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const id = /^id: (\d+)$/m.exec(block)?.[1];
      if (id !== undefined) yield Number(id);
    }
  }
}

/** Reads a stream until `count` events were seen (or it ends), then leaves. */
async function read(runId: string, { after = 0, count = Infinity } = {}): Promise<number[]> {
  const headers = after === 0 ? {} : { 'last-event-id': String(after) };
  const response = await world.fetch('member', `/v1/runs/${runId}/events`, { headers });
  expect(response.headers.get('content-type')).toContain('text/event-stream');
  const seen: number[] = [];
  for await (const sequence of sequencesOf(response)) {
    seen.push(sequence);
    if (seen.length >= count) break;
  }
  return seen;
}

describe('event streams', () => {
  it('resume without a gap or a repetition, history and live alike', async () => {
    await start();
    const runId = world.scheduler.addRun('globex');
    world.scheduler.addEvents(runId, ...Array.from({ length: 20 }, () => progress()));
    const first = await read(runId, { count: 7 });
    await until(() => world.scheduler.watching === 0, 'the first watch is given up');
    const rest = read(runId, { after: 7 });
    await until(() => world.scheduler.watching === 1, 'the second watch runs');
    world.scheduler.addEvents(runId, ...Array.from({ length: 5 }, () => progress()), done);
    expect([...first, ...(await rest)]).toEqual(Array.from({ length: 26 }, (_, i) => i + 1));
  });

  it('keep a quiet stream alive with comments', async () => {
    await start({ COGMESH_SSE_KEEP_ALIVE_MS: '100' });
    const runId = world.scheduler.addRun('globex');
    const response = await world.fetch('member', `/v1/runs/${runId}/events`);
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    await until(async () => {
      text += (await reader?.read())?.value ?? '';
      return text.includes(': keep-alive');
    }, 'a comment arrives');
    await reader?.cancel();
    await until(() => world.scheduler.watching === 0, 'the watch is given up');
  });

  it('wait for a slow reader without hoarding, and lose nothing', async () => {
    await start();
    const runId = world.scheduler.addRun('globex');
    const total = 40_000;
    world.scheduler.addEvents(runId, ...Array.from({ length: total }, () => progress(900)), done);
    const response = await world.fetch('member', `/v1/runs/${runId}/events`);
    let before = -1;
    await until(async () => {
      await new Promise((resolve) => setTimeout(resolve, 300));
      const still = world.scheduler.sent === before;
      before = world.scheduler.sent;
      return still && before > 0;
    }, 'the source stands still');
    expect(world.scheduler.sent).toBeLessThan(total / 2);
    let last = 0;
    for await (const sequence of sequencesOf(response)) expect(sequence).toBe((last += 1));
    expect(last).toBe(total + 1);
  }, 60_000);

  it('cut off a reader that takes nothing', async () => {
    await start({ COGMESH_SSE_SLOW_READER_MS: '300' });
    const runId = world.scheduler.addRun('globex');
    world.scheduler.addEvents(runId, ...Array.from({ length: 40_000 }, () => progress(900)));
    const { hostname, port } = new URL(world.url);
    const { authorization } = await world.headers('member');
    const socket = connect(Number(port), hostname);
    socket.pause();
    socket.write(`GET /v1/runs/${runId}/events HTTP/1.1\r\nhost: x\r\nauthorization: ${authorization}\r\n\r\n`);
    await until(() => world.scheduler.watching === 1, 'the watch runs');
    await until(() => world.scheduler.watching === 0, 'the watch is given up');
    socket.destroy();
  });

  it('end with their life, to be resumed', async () => {
    await start({ COGMESH_WATCH_MS: '200' });
    const runId = world.scheduler.addRun('globex');
    world.scheduler.addEvents(runId, progress());
    expect(await read(runId)).toEqual([1]);
    world.scheduler.addEvents(runId, progress(), done);
    expect(await read(runId, { after: 1 })).toEqual([2, 3]);
  });

  it('are counted per organisation, and give their slot back', async () => {
    await start({ COGMESH_STREAMS_PER_ORGANISATION: '1' });
    const runId = world.scheduler.addRun('globex');
    const acmeRun = world.scheduler.addRun('acme');
    const leave = new AbortController();
    await world.fetch('member', `/v1/runs/${runId}/events`, { signal: leave.signal });
    const second = await world.fetch('member', `/v1/runs/${runId}/events`);
    expect(second.status).toBe(429);
    expect(second.headers.get('retry-after')).toBe('5');
    const other = await world.fetch('acme', `/v1/runs/${acmeRun}/events`);
    expect(other.status).toBe(200);
    await other.body?.cancel();
    leave.abort();
    await until(async () => {
      const third = await world.fetch('member', `/v1/runs/${runId}/events`);
      await third.body?.cancel();
      return third.status === 200;
    }, 'the slot is free again');
  });

  it('end with a hint when the gateway stops', async () => {
    await start();
    const runId = world.scheduler.addRun('globex');
    const response = await world.fetch('member', `/v1/runs/${runId}/events`);
    const text = response.text();
    text.catch(() => {});
    const began = performance.now();
    await world.stopGateway();
    expect(await text).toContain('retry: 1000');
    expect(await text).toContain('come back');
    expect(performance.now() - began).toBeLessThan(3_000);
  });
});

it('limits the rate of one organisation and leaves the others alone', async () => {
  await start({ COGMESH_RATE_PER_SECOND: '1', COGMESH_RATE_BURST: '5' });
  const statuses: number[] = [];
  for (let i = 0; i < 8; i += 1) statuses.push((await world.fetch('member', '/v1/whoami')).status);
  expect(statuses.slice(0, 5)).toEqual([200, 200, 200, 200, 200]);
  expect(statuses).toContain(429);
  const limited = await world.fetch('member', '/v1/whoami');
  expect(await limited.json()).toMatchObject({ code: 'rate_limited' });
  expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(0);
  expect((await world.fetch('acme', '/v1/whoami')).status).toBe(200);
});

it('authenticates nobody once the issuers are too old', async () => {
  await start({ COGMESH_ISSUER_STALENESS_MS: '500' });
  expect((await world.fetch('member', '/v1/whoami')).status).toBe(200);
  await world.stopServing('policy');
  await until(async () => (await world.fetch('member', '/v1/whoami')).status === 503, 'the issuers are too old');
  expect(await (await world.fetch('member', '/v1/whoami')).json()).toMatchObject({ code: 'stale_policy' });
});
