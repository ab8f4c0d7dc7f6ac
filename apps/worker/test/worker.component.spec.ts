import { randomBytes } from 'node:crypto';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { workV1 } from '@cogmesh/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demoFile, detect, eventually, recognize, vad, WorkerWorld } from './worker-world.js';

let world: WorkerWorld;
beforeAll(async () => {
  world = await WorkerWorld.create();
});
afterAll(() => world.close());

const jsonOf = (outcome: workV1.Result['outcome']): unknown =>
  outcome.case === 'outputJson' ? JSON.parse(outcome.value) : outcome;
const errorOf = (outcome: workV1.Result['outcome']) =>
  outcome.case === 'error' ? { ...outcome.value, details: JSON.parse(outcome.value.detailsJson) } : outcome;
const imageInput = (blob: string, more = {}): string => JSON.stringify({ image: { $blob: blob }, ...more });

describe('announcement', () => {
  it('offers every model and scripts, with credits and OIP metadata', () => {
    const offered = Object.fromEntries(world.capabilities.map(({ name, credits }) => [name, credits]));
    expect(offered).toEqual({ [detect]: 5, [recognize]: 10, [vad]: 5, script: 5 });
    const metadata = JSON.parse(world.capabilities.find(({ name }) => name === vad)?.metadataJson ?? '{}');
    expect(metadata).toMatchObject({
      name: 'acme/silero-vad',
      versions: ['5.0.0'],
      platform: 'onnxruntime_onnx',
      inputs: { length: 3 },
    });
  });

  it('paints its portrait in heartbeats', async () => {
    await eventually(() => {
      const beats = world.heard.flatMap(({ message }) =>
        message.case === 'heartbeat' ? [message.value.portrait] : [],
      );
      const portrait = beats.at(-1);
      expect(portrait?.warmModels).toHaveLength(3);
      expect(Number(portrait?.memoryBytes)).toBeGreaterThan(100e6);
      expect(portrait?.providers).toEqual(['cpu']);
    });
  });

  it('is ready, and says so per model', async () => {
    const readiness = await world.readiness();
    expect(readiness?.ready).toBe(true);
    expect(readiness?.checks['model acme/ppocr-detect@4.0.0']).toEqual({ ready: true, detail: 'warm' });
  });
});

describe('the main job', () => {
  it('reads the demo picture: detect, then one recognise per box, the blob fetched once per step', async () => {
    const blob = world.putBlob(demoFile('invoice.png'));
    const { boxes, width } = jsonOf(await world.outcome({ capability: detect, inputJson: imageInput(blob) })) as {
      boxes: unknown[];
      width: number;
    };
    expect([width, boxes.length]).toEqual([1200, 37]);
    const attempts = await world.dispatch(
      boxes.map((box, index) => ({ capability: recognize, index, inputJson: imageInput(blob, { box }) })),
    );
    const results = await Promise.all(attempts.map((attempt) => world.result(attempt)));
    const lines = results.map(({ outcome }) => (jsonOf(outcome) as { text: string }).text.replaceAll(' ', ''));
    expect(lines).toContain('No:CM-2026-00417');
    expect(lines).toContain('购买方：海河智能科技有限公司');
    expect(world.fetched.filter((fetch) => fetch.blob === blob).length).toBeLessThanOrEqual(2);
    expect(results[0]).toMatchObject({
      agentId: world.agentId,
      timing: { batchSize: 1, modelVersion: '4.0.0', variant: 'fp32' },
    });
    await eventually(() =>
      expect(attempts.every((id) => world.started.some((each) => each.attemptId === id))).toBe(true),
    );
  });

  it('hears speech from a shared queue', async () => {
    const blob = world.putBlob(demoFile('speech.wav'));
    const inputJson = JSON.stringify({ audio: { $blob: blob } });
    expect(jsonOf(await world.outcome({ capability: vad, inputJson }, { shared: true }))).toMatchObject({
      segments: { length: 2 },
      durationMs: 8187,
    });
  });

  it('runs a script', async () => {
    const work = { capability: 'script', script: 'return input.n + 1', inputJson: '{"n":1}' };
    expect(jsonOf(await world.outcome(work))).toBe(2);
  });

  it('stores an output over 64 KiB as a blob of the organisation', async () => {
    const work = { capability: 'script', script: 'return "x".repeat(70000)' };
    expect(jsonOf(await world.outcome(work))).toMatchObject({
      $blob: 'blob_01ARZ3NDEKTSV4RRFFQ69G5FAV',
      bytes: 70_002,
    });
    expect(world.stored.at(-1)).toMatchObject({ organisation: 'acme', json: `"${'x'.repeat(70_000)}"` });
  });

  it('runs raw tensors', async () => {
    const zeros = (count: number): number[] => Array<number>(count).fill(0);
    const inputs = [
      { name: 'input', datatype: 'FP32', shape: [1, 576], data: zeros(576) },
      { name: 'state', datatype: 'FP32', shape: [2, 1, 128], data: zeros(256) },
      { name: 'sr', datatype: 'INT64', shape: [], data: [16_000] },
    ];
    const output = jsonOf(await world.outcome({ capability: vad, inputJson: JSON.stringify({ inputs }) }));
    expect(output).toMatchObject({
      outputs: [{ name: 'output', datatype: 'FP32', shape: [1, 1] }, { name: 'stateN' }],
    });
  });
});

describe('bad input', () => {
  const bomb = Buffer.from(
    '89504e470d0a1a0a0000000d494844520000ffff0000ffff0802000000000000000000000049454e4400000000',
    'hex',
  );
  it.each([
    ['an image bomb', () => bomb, 'invalid_image'],
    ['a truncated PNG', () => demoFile('invoice.png').subarray(0, 20_000), 'invalid_image'],
    ['a sound for a picture', () => demoFile('speech.wav'), 'invalid_image'],
    ['nothing', () => new Uint8Array(0), 'invalid_image'],
  ])('%s fails as invalid_image and is not retried', async (_, bytes, code) => {
    const inputJson = imageInput(world.putBlob(bytes()));
    expect(errorOf(await world.outcome({ capability: detect, inputJson }))).toMatchObject({ code, retryable: false });
  });

  it.each([
    ['a missing field', detect, {}, 'invalid_input'],
    ['a string for a blob', detect, { image: 'blob_01ARZ3NDEKTSV4RRFFQ69G5FAV' }, 'invalid_input'],
    ['what only looks like a blob', detect, { image: { $blob: '../../etc/passwd' } }, 'invalid_input'],
    [
      'a box of three corners',
      recognize,
      {
        image: { $blob: 'blob_01ARZ3NDEKTSV4RRFFQ69G5FAV' },
        box: {
          points: [
            [0, 0],
            [1, 0],
            [1, 1],
          ],
        },
      },
      'invalid_input',
    ],
  ])('%s is told', async (_, capability, input, code) => {
    expect(errorOf(await world.outcome({ capability, inputJson: JSON.stringify(input) }))).toMatchObject({
      code,
      retryable: false,
    });
  });

  it('a wrong tensor shape says what was expected and what came', async () => {
    const inputs = [{ name: 'x', datatype: 'FP32', shape: [1, 4, 2, 2], data: Array<number>(16).fill(0) }];
    expect(errorOf(await world.outcome({ capability: detect, inputJson: JSON.stringify({ inputs }) }))).toMatchObject({
      code: 'invalid_tensor',
      details: { tensor: 'x', expected: 'FP32 [-1,3,-1,-1]', got: 'FP32 [1,4,2,2]' },
    });
  });

  it.each([
    ['an endless script', 'for (;;);', 'script_timeout'],
    ['a script that throws', 'throw new Error("no")', 'script_error'],
  ])('%s', async (_, script, code) => {
    const outcome = await world.outcome({ capability: 'script', script, timeoutMs: 300 });
    expect(errorOf(outcome)).toMatchObject({ code, retryable: false });
  });
});

describe('who may give work', () => {
  const script = { capability: 'script', script: 'return 1' };

  it('refuses work whose grant is not for it', async () => {
    const [other] = await world.dispatch([script]);
    await world.result(other);
    expect(errorOf(await world.outcome(script, { grantJws: 'not.a.grant' }))).toMatchObject({
      code: expect.stringMatching(/invalid/),
    });
  });

  it('refuses a blob the grant does not list', async () => {
    const blob = world.putBlob(demoFile('invoice.png'));
    const outcome = await world.outcome({ capability: detect, inputJson: imageInput(blob) }, { blobs: [] });
    expect(errorOf(outcome)).toMatchObject({ code: 'invalid_grant', details: { blob } });
    expect(world.fetched.some((fetch) => fetch.blob === blob)).toBe(false);
  });

  it('puts work from anybody but the scheduler to the dead letters', async () => {
    const attemptId = randomBytes(16).toString('hex');
    await world.dispatch([{ ...script, attemptId }], { as: world.hub.connect('registry') });
    await eventually(() => expect(world.hub.waiting(`agent.${world.agentId}.work.dead`)).toBe(1));
    expect(world.results.some((result) => result.attemptId === attemptId)).toBe(false);
  });

  it('returns what comes too late, and runs a repeated delivery once', async () => {
    const late = { ...script, notAfter: timestampFromMs(Date.now() - 1) };
    expect(await world.outcome(late)).toMatchObject({ case: 'returned', value: { code: 'expired' } });
    const attemptId = randomBytes(16).toString('hex');
    await world.dispatch([{ ...script, attemptId }]);
    await world.result(attemptId);
    await world.dispatch([{ ...script, attemptId }]);
    await world.outcome(script);
    expect(world.results.filter((result) => result.attemptId === attemptId)).toHaveLength(1);
  });
});

describe('direct calls', () => {
  it('infers with attachments, and answers with what was loaded', async () => {
    const client = await world.inference();
    const answer = await client.infer({
      model: 'acme/ppocr-detect@^4',
      payload: { case: 'inputJson', value: '{"image":{"$bytes":"picture"}}' },
      attachments: { picture: Uint8Array.from(demoFile('invoice.png')) },
    });
    expect(answer).toMatchObject({ model: 'acme/ppocr-detect', version: '4.0.0', batchSize: 1 });
    expect(answer.payload.case === 'outputJson' && JSON.parse(answer.payload.value).boxes).toHaveLength(37);
    await expect(client.infer({ model: 'acme/ppocr-detect@^9' })).rejects.toMatchObject({ code: 'not_found' });
    await expect(client.infer({ model: 'acme/ppocr-recognize' })).rejects.toMatchObject({ code: 'permission_denied' });
  });

  it('keeps the state of a voice stream', async () => {
    const client = await world.inference();
    const pcm = Uint8Array.from(demoFile('speech.wav').subarray(44));
    const chunkBytes = 32_000;
    const requests = async function* () {
      for (let at = 0; at < pcm.length; at += chunkBytes) {
        const value = JSON.stringify({ pcm: { $bytes: 'a' }, end: at + chunkBytes >= pcm.length });
        const attachments = {
          a: pcm.slice(at, at + chunkBytes - ((at + chunkBytes > pcm.length ? pcm.length : 0) % 2)),
        };
        yield { request: { model: 'acme/silero-vad', payload: { case: 'inputJson' as const, value }, attachments } };
      }
    };
    const segments: unknown[] = [];
    for await (const { outcome } of client.inferStream(requests())) {
      if (outcome.case !== 'response' || outcome.value.payload.case !== 'outputJson')
        throw new Error(JSON.stringify(outcome));
      segments.push(...(JSON.parse(outcome.value.payload.value) as { segments: unknown[] }).segments);
    }
    expect(segments).toHaveLength(2);
  });
});

describe('instructions', () => {
  it('unloads a model and loads it again', async () => {
    expect(await world.instruct({ case: 'unloadModel', value: { model: 'acme/silero-vad@5.0.0' } })).toMatchObject({
      accepted: true,
    });
    await eventually(() => expect(world.capabilities.map(({ name }) => name)).not.toContain(vad));
    expect(await world.instruct({ case: 'loadModel', value: { model: 'acme/silero-vad@5.0.0' } })).toMatchObject({
      accepted: true,
    });
    await eventually(() => expect(world.capabilities.find(({ name }) => name === vad)?.ready).toBe(true));
    expect(await world.instruct({ case: 'loadModel', value: { model: 'acme/nothing@1.0.0' } })).toMatchObject({
      accepted: false,
      message: expect.stringContaining('not_found'),
    });
  });

  it('cancels what waits and what runs', async () => {
    const endless = { capability: 'script', script: 'for (;;);', timeoutMs: 60_000 };
    const [running, waiting] = await world.dispatch([endless, endless]);
    await eventually(() => expect(world.started.some((each) => each.attemptId === running)).toBe(true));
    await world.instruct({
      case: 'cancelAttempts',
      value: { attemptIds: [running ?? '', waiting ?? ''], reason: 'no longer wanted' },
    });
    for (const attempt of [running, waiting]) {
      expect(errorOf((await world.result(attempt)).outcome)).toMatchObject({ code: 'cancelled' });
    }
    expect(jsonOf(await world.outcome({ capability: 'script', script: 'return 3' }))).toBe(3);
  });

  it('comes back under the same id when its stream breaks', async () => {
    const [before, streams] = [world.agentId, world.streams];
    world.dropStream();
    await eventually(() => expect(world.streams).toBeGreaterThan(streams));
    await eventually(() => expect(world.capabilities.length).toBe(4));
    expect(world.agentId).toBe(before);
  });
});

describe('leaving', () => {
  it('hands back what has not begun, finishes what runs, and says goodbye', async () => {
    const slow = { capability: 'script', script: 'const t = Date.now(); while (Date.now() - t < 700); return 1' };
    const attempts = await world.dispatch([slow, slow, slow]);
    await eventually(() => expect(world.started.some(({ attemptId }) => attempts.includes(attemptId))).toBe(true));
    await world.stop();
    const outcomes = attempts.map((id) => world.results.find(({ attemptId }) => attemptId === id)?.outcome);
    expect(outcomes.map((outcome) => outcome?.case).toSorted()).toEqual(['outputJson', 'returned', 'returned']);
    for (const outcome of outcomes) if (outcome?.case === 'returned') expect(outcome.value.code).toBe('draining');
    const last = world.heard.at(-1)?.message;
    expect(last?.case).toBe('goodbye');
    expect(world.heard.some(({ message }) => message.case === 'heartbeat' && message.value.draining)).toBe(true);
  });
});
