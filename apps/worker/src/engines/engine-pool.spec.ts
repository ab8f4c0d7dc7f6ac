/** Real engine processes with the real models; one pool for all tests, since loading takes a second. */
import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { processEnvironment } from '@cogmesh/config';
import { createLogger } from '@cogmesh/telemetry';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { ItemOutcome, ModelToLoad, Payload, TaskInput, TextBox } from '../engine/protocol.js';
import { readModelRepository } from '../models/model-repository.js';
import { engineEnvironment } from './engine-environment.js';
import { EnginePool } from './engine-pool.js';

const shipped = (path: string): string => fileURLToPath(new URL(`../../../../deploy/${path}`, import.meta.url));
const detect = 'acme/ppocr-detect@4.0.0';
const recognize = 'acme/ppocr-recognize@4.0.0';
const vad = 'acme/silero-vad@5.0.0';
const timeoutMs = 60_000;

let models: ModelToLoad[];
let pool: EnginePool;
const warm = (): Promise<void> =>
  vi.waitFor(
    () => {
      for (const { key, manifest } of models) expect(pool.warmEngines(key)).toBe(manifest.instances);
    },
    { timeout: 60_000, interval: 20 },
  );

beforeAll(async () => {
  models = await readModelRepository(shipped('models'));
  const environment = engineEnvironment(processEnvironment());
  pool = new EnginePool({ modelEngines: 2, scriptEngines: 1, environment, logger: createLogger({ level: 'silent' }) });
  pool.start();
  for (const model of models) await pool.load(model);
  await warm();
});
afterAll(() => pool.stop());

async function run(
  model: string,
  input: TaskInput,
  blobs: ReadonlyMap<string, Uint8Array> = new Map(),
): Promise<ItemOutcome> {
  const { outcomes } = await pool.run({ model, items: [input], blobs, timeoutMs });
  return outcomes[0] as ItemOutcome;
}
const json = (outcome: ItemOutcome): unknown =>
  outcome.ok && outcome.value.kind === 'json' ? outcome.value.value : outcome;
const codeOf = (outcome: ItemOutcome): string => (outcome.ok ? 'accepted' : outcome.error.code);

async function read(picture: Uint8Array): Promise<string[]> {
  const image: Payload = { shelved: 'picture' };
  const blobs = new Map([['picture', picture]]);
  const { boxes } = json(await run(detect, { task: 'ocr.detect', image }, blobs)) as { boxes: TextBox[] };
  const lines = await Promise.all(boxes.map((box) => run(recognize, { task: 'ocr.recognize', image, box }, blobs)));
  pool.clear('picture');
  return lines.map((line) => (json(line) as { text: string }).text);
}

const normal = (line: string): string => line.normalize('NFKC').replaceAll(/\s/g, '');
/** Printed lines that were not read exactly. */
function missed(lines: readonly string[]): string[] {
  const found = new Set(lines.map(normal));
  const truth = readFileSync(shipped('demo/invoice.txt'), 'utf8').trim().split('\n');
  return truth.filter((line) => !found.has(normal(line)));
}

describe('reading a picture', () => {
  it('reads every line of the demo invoice, and does not stall this process while it does', async () => {
    const delay = monitorEventLoopDelay({ resolution: 10 });
    delay.enable();
    const before = performance.eventLoopUtilization();
    const lines = await read(readFileSync(shipped('demo/invoice.png')));
    delay.disable();
    expect(missed(lines)).toEqual([]);
    expect(lines).toHaveLength(37);
    // The median, since on a busy machine the longest delay is the machine's.
    expect(delay.percentile(50) / 1e6).toBeLessThan(50);
    expect(performance.eventLoopUtilization(before).utilization).toBeLessThan(0.5);
  });

  it('gives the same text for the same picture again', async () => {
    const picture = readFileSync(shipped('demo/invoice.png'));
    expect(await read(picture)).toEqual(await read(picture));
  });

  it('reads a rotated, blurred JPEG of it nearly as well', async () => {
    const harder = await sharp(shipped('demo/invoice.png'))
      .rotate(4, { background: '#e8e4da' })
      .blur(0.7)
      .jpeg({ quality: 45 })
      .toBuffer();
    expect(missed(await read(harder)).length).toBeLessThanOrEqual(5);
  });

  it('follows the orientation a camera wrote down', async () => {
    const sideways = await sharp(shipped('demo/invoice.png'))
      .rotate(90)
      .withMetadata({ orientation: 8 })
      .jpeg()
      .toBuffer();
    expect(missed(await read(sideways)).length).toBeLessThanOrEqual(2);
  });

  it('finds nothing on an empty page', async () => {
    const white = await sharp({ create: { width: 300, height: 200, channels: 3, background: '#fff' } })
      .png()
      .toBuffer();
    expect(json(await run(detect, { task: 'ocr.detect', image: { bytes: white } }))).toEqual({
      width: 300,
      height: 200,
      boxes: [],
    });
  });

  it.each([
    ['a JPEG cut short', async () => (await sharp(shipped('demo/invoice.png')).jpeg().toBuffer()).subarray(0, 9000)],
    ['a PNG with damaged pixels', async () => readFileSync(shipped('demo/invoice.png')).fill(0, 3000, 9000)],
    ['a sound', async () => readFileSync(shipped('demo/speech.wav'))],
  ])('refuses %s as invalid_image and goes on', async (_, bytes) => {
    expect(codeOf(await run(detect, { task: 'ocr.detect', image: { bytes: await bytes() } }))).toBe('invalid_image');
  });
});

describe('hearing speech', () => {
  it('finds the two sentences of the demo clip', async () => {
    const audio = readFileSync(shipped('demo/speech.wav'));
    const { segments, durationMs } = json(await run(vad, { task: 'audio.vad', audio: { bytes: audio } })) as {
      segments: { startMs: number; endMs: number }[];
      durationMs: number;
    };
    expect(durationMs).toBe(8187);
    expect(segments).toHaveLength(2);
    // The file joins 1.0 s of silence, 2.31 s, 1.2 s of silence, 2.68 s, 1.0 s; espeak leaves some silence at each tail.
    const expected = [
      { startMs: 1000, endMs: 3307 },
      { startMs: 4507, endMs: 7187 },
    ];
    segments.forEach(({ startMs, endMs }, index) => {
      expect(Math.abs(startMs - (expected[index]?.startMs ?? 0))).toBeLessThan(150);
      expect((expected[index]?.endMs ?? 0) - endMs).toBeGreaterThan(-50);
      expect((expected[index]?.endMs ?? 0) - endMs).toBeLessThan(450);
    });
  });

  it('hears the same in chunks of any size, the state carried by the caller', async () => {
    const whole = readFileSync(shipped('demo/speech.wav'));
    const samples = new Int16Array(
      whole.buffer.slice(whole.byteOffset + 44, whole.byteOffset + whole.length - (whole.length % 2)),
    );
    const expected = json(await run(vad, { task: 'audio.vad', audio: { bytes: whole } })) as { segments: unknown[] };
    const heard: unknown[] = [];
    let state;
    for (let at = 0; at < samples.length; at += 7001) {
      const chunk = {
        task: 'audio.vad.chunk' as const,
        samples: samples.slice(at, at + 7001),
        final: at + 7001 >= samples.length,
      };
      const outcome = await run(vad, state ? { ...chunk, state } : chunk);
      if (!outcome.ok || outcome.value.kind !== 'voice') throw new Error(codeOf(outcome));
      state = outcome.value.state;
      heard.push(...(outcome.value.value as { segments: unknown[] }).segments);
    }
    expect(heard).toEqual(expected.segments);
  });
});

describe('raw tensors', () => {
  it('runs a model as it is', async () => {
    const tensors = [
      { name: 'input', datatype: 'FP32' as const, shape: [1, 576], data: new Float32Array(576) },
      { name: 'state', datatype: 'FP32' as const, shape: [2, 1, 128], data: new Float32Array(256) },
      { name: 'sr', datatype: 'INT64' as const, shape: [], data: BigInt64Array.of(16_000n) },
    ];
    const outcome = await run(vad, { task: 'tensors', tensors });
    if (!outcome.ok || outcome.value.kind !== 'tensors') throw new Error(codeOf(outcome));
    const [output, stateN] = outcome.value.tensors;
    expect(output).toMatchObject({ name: 'output', datatype: 'FP32', shape: [1, 1] });
    expect((output?.data[0] as number) < 0.1).toBe(true);
    expect(stateN?.shape).toEqual([2, 1, 128]);
  });
});

describe('scripts', () => {
  const limits = { timeoutMs: 10_000, memoryBytes: 32 * 1024 * 1024, maxOutputBytes: 1000 };
  const script = (source: string, timeoutMs = limits.timeoutMs): Promise<string> =>
    pool.runScript({ source, inputJson: '{"lines":[{"text":"a"},{"text":"b"}]}', ...limits, timeoutMs }).then(
      (outputJson) => outputJson,
      (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
    );

  it.each([
    ['joins lines', "return { text: input.lines.map(l => l.text).join('\\n') }", '{"text":"a\\nb"}'],
    ['returns nothing as null', '', 'null'],
    ['has a comment on its last line', 'return 1 // one', '1'],
    [
      'has no way out',
      'return [typeof require, typeof process, typeof fetch, typeof setTimeout, typeof std]',
      JSON.stringify(Array(5).fill('undefined')),
    ],
    [
      'says the line of an error',
      '\n\nreturn input.b.c',
      "script_error: line 3: TypeError: cannot read property 'c' of undefined",
    ],
    [
      'says the line of a syntax error',
      'let a = 1\nreturn a +* 2',
      "script_error: line 2: SyntaxError: unexpected token in expression: '*'",
    ],
    ['throws a plain value', 'throw "no"', 'script_error: no'],
    [
      'recurses without end',
      'function f() { return f() }\nreturn f()',
      'script_error: line 1: InternalError: stack overflow',
    ],
    [
      'returns too much',
      'return "x".repeat(2000)',
      'output_too_large: the script returned 2002 bytes of JSON, at most 1000 are accepted',
    ],
  ])('%s', async (_, source, answer) => {
    expect(await script(source)).toBe(answer);
  });

  it.each([
    ['never end', 'for (;;);'],
    ['catch their end', 'for (;;) try { for (;;); } catch {}'],
  ])('that %s are ended', async (_, source) => {
    expect(await script(source, 300)).toBe('script_timeout: the script ran out of time');
  });

  it.each([
    ['typed arrays', 'const a = []; for (;;) a.push(new Uint8Array(1e6))'],
    ['objects', 'const a = []; for (;;) a.push({})'],
    ['one long array', 'return new Array(5e6).fill(7).join("")'],
  ])('that eat memory with %s are ended, and the process stays small', async (_, source) => {
    expect(await script(source, 15_000)).toBe('script_memory: the script ran out of memory');
    const status = readFileSync(`/proc/${pool.pidOf('script-1')}/status`, 'utf8');
    expect(Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024).toBeLessThan(400);
  });

  it('leaves nothing for the next script', async () => {
    expect(await script('globalThis.left = 1; Array.prototype.map = null; return 1')).toBe('1');
    expect(await script('return [typeof left, [1].map(x => x)]')).toBe('["undefined",[1]]');
  });

  it('is ended from outside when it is cancelled', async () => {
    const abort = new AbortController();
    const running = pool.runScript(
      { source: 'for (;;);', inputJson: 'null', ...limits, timeoutMs: 60_000 },
      { signal: abort.signal, onStarted: () => abort.abort() },
    );
    await expect(running).rejects.toMatchObject({ code: 'cancelled' });
    expect(await script('return 2')).toBe('2');
  });
});

describe('a crash', () => {
  const long = { task: 'ocr.detect' as const, image: { bytes: readFileSync(shipped('demo/invoice.png')) } };

  it('fails what is in flight as retryable, and the next request runs on the new process', async () => {
    const before = pool.pids;
    const running = pool.run({
      model: detect,
      items: [long],
      blobs: new Map(),
      timeoutMs,
      onStarted: (engine) => process.kill(pool.pidOf(engine) ?? 0, 'SIGKILL'),
    });
    await expect(running).rejects.toMatchObject({ code: 'engine_crashed', retryable: true });
    expect(codeOf(await run(detect, long))).toBe('accepted');
    expect(pool.pids).not.toEqual(before);
    await warm();
  });

  it('is what ends a run that overstays its time', async () => {
    const running = pool.run({ model: detect, items: [long], blobs: new Map(), timeoutMs: 20 });
    await expect(running).rejects.toMatchObject({ code: 'timeout' });
    expect(codeOf(await run(detect, long))).toBe('accepted');
    await warm();
  });
});

describe('loading', () => {
  const detector = (): ModelToLoad => models[0] as ModelToLoad;

  it('refuses a file that is not the one the manifest names', async () => {
    const forged = { ...detector(), key: 'acme/forged@1.0.0', file: { ...detector().file, sha256: 'f'.repeat(64) } };
    await expect(pool.load(forged)).rejects.toMatchObject({
      code: 'invalid_model',
      details: { expected: 'f'.repeat(64) },
    });
    expect(pool.failureOf(forged.key)).toContain('not the file');
    await pool.unload(forged.key);
  });

  it('refuses a manifest that does not match its file', async () => {
    const manifest = {
      ...detector().manifest,
      inputs: [{ name: 'x', datatype: 'FP16' as const, shape: [-1, 3, -1, -1] }],
    };
    const wrong = { ...detector(), key: 'acme/wrong@1.0.0', manifest };
    await expect(pool.load(wrong)).rejects.toMatchObject({ code: 'invalid_model' });
    await pool.unload(wrong.key);
  });

  it('refuses to run what is not loaded', async () => {
    await expect(run('acme/nothing@1.0.0', { task: 'tensors', tensors: [] })).rejects.toMatchObject({
      code: 'unavailable',
    });
  });
});
