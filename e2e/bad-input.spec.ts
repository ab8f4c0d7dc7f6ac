/**
 * Bad input against the product all in one: every refusal says what is wrong and where, and changes nothing; work that
 * cannot be done fails its run with the reason and leaves the worker able to go on.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CogmeshClient, type CogmeshError, reference, type RunView, type TaskDocument } from '@cogmesh/sdk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AllInOne, modelsReady, startUp } from './src/all-in-one.js';
import { bombPng, truncatedPng } from './src/pictures.js';
import { until } from './src/poll.js';
import { refusalOf } from './src/refusal.js';
import { createWorld, demoFile, type World } from './src/world.js';

const MAX_BLOB_BYTES = 1024 * 1024;
const RUN_TIMEOUT_MS = 30_000;

let world: World;
let mesh: AllInOne;
let operator: CogmeshClient;
let admin: CogmeshClient;

beforeAll(async () => {
  world = await createWorld();
  const environment = { COGMESH_BLOB_BYTES: String(MAX_BLOB_BYTES), COGMESH_SCRIPT_TIMEOUT_MS: '1500' };
  mesh = await startUp(world, { environment });
  operator = world.client(mesh.url, 'acme', 'operator');
  admin = world.client(mesh.url, 'acme', 'admin');
  await modelsReady(() => operator.models());
});

afterAll(async () => {
  await mesh?.stop();
  await world?.remove();
});

const script = (id: string, more: Partial<TaskDocument> = {}): TaskDocument => ({
  id,
  uses: 'script',
  script: 'return 1',
  ...more,
});
const submit = (...tasks: readonly TaskDocument[]) => operator.submitRun({ tasks });

/** What the tests keep count of: whatever is refused adds nothing to it. */
async function inventory() {
  const runs: RunView[] = [];
  for await (const page of operator.listRuns({ pageSize: 500 })) runs.push(...page);
  const folder = join(world.directory.path, 'gateway/blobs');
  const blobs = await readdir(folder, { recursive: true, withFileTypes: true });
  const { epoch } = await admin.getPolicies();
  return {
    runs: runs.map(({ id }) => id).sort(),
    files: blobs
      .filter((entry) => entry.isFile())
      .map(({ name }) => name)
      .sort(),
    epoch,
  };
}

interface Refused {
  readonly what: string;
  readonly call: () => Promise<unknown>;
  readonly status: number;
  readonly code: string;
  /** In the message or in one of the issues, each as `path: message`. */
  readonly says: RegExp;
}

const refused: readonly Refused[] = [
  {
    what: 'malformed JSON',
    call: () => operator.submitRunText('{\n  "tasks": [ { "id": "a", ] }'),
    status: 400,
    code: 'invalid_json',
    says: /line 2, column 27/,
  },
  {
    what: 'a cycle',
    call: () =>
      submit(script('a', { depends: ['c'] }), script('b', { depends: ['a'] }), script('c', { depends: ['b'] })),
    status: 400,
    code: 'invalid_run',
    says: /tasks: .*-> \w+ ->/,
  },
  {
    what: '10,001 tasks',
    call: () => submit(...Array.from({ length: 10_001 }, (_, i) => script(`t${i}`))),
    status: 400,
    code: 'invalid_run',
    says: /tasks: has 10001 entries, at most 10000/,
  },
  {
    what: 'a dependency that is no task',
    call: () => submit(script('detect'), script('read', { depends: ['detct'] })),
    status: 400,
    code: 'invalid_run',
    says: /tasks\[1\]\.depends\[0\]: no task "detct"; did you mean "detect"\?/,
  },
  {
    what: 'a model that nobody serves',
    call: () => submit({ id: 'a', uses: 'model:acme/ppocr-detct' }),
    status: 400,
    code: 'unknown_model',
    says: /tasks\[0\]\.uses: .*acme\/ppocr-detct.*did you mean.*acme\/ppocr-detect/,
  },
  {
    what: 'a tensor of the wrong shape',
    call: () => submit(tensors([2, 1, 64])),
    status: 400,
    code: 'invalid_input',
    says: /tasks\[0\]\.input\.inputs\[1\]\.shape\[2\]: must be 128, is 64/,
  },
  {
    what: 'a picture that is no reference to one',
    call: () => submit({ id: 'a', uses: 'model:acme/ppocr-detect', input: { image: 'invoice.png' } }),
    status: 400,
    code: 'invalid_input',
    says: /tasks\[0\]\.input\.image: must be an object, is the text "invoice\.png"/,
  },
  {
    what: 'invalid CEL in an expression',
    call: () => submit(script('a', { input: { x: '${{ input.x + }}' } })),
    status: 400,
    code: 'invalid_run',
    says: /tasks\[0\]\.input\.x: .*character \d+/,
  },
  {
    what: 'invalid CEL in a policy',
    call: () => admin.putPolicies({ policies: [{ policy: 'role == ', permissions: ['read'], resources: ['/runs'] }] }),
    status: 400,
    code: 'invalid_policy',
    says: /policies\[0\]\.policy/,
  },
  {
    what: 'a blob over the limit',
    call: () => operator.uploadBlob(Buffer.alloc(MAX_BLOB_BYTES + 1), { mediaType: 'image/png' }),
    status: 413,
    code: 'payload_too_large',
    says: new RegExp(String(MAX_BLOB_BYTES)),
  },
  {
    what: 'a streamed blob over the limit',
    call: () => operator.uploadBlob(chunks(MAX_BLOB_BYTES / 65_536 + 1), { mediaType: 'image/png' }),
    status: 413,
    code: 'payload_too_large',
    says: new RegExp(String(MAX_BLOB_BYTES)),
  },
  {
    what: 'a blob that does not exist',
    call: () => submit(script('a', { input: { $blob: 'blob_01ARZ3NDEKTSV4RRFFQ69G5FAV' } })),
    status: 404,
    code: 'not_found',
    says: /blob_01ARZ3NDEKTSV4RRFFQ69G5FAV/,
  },
  {
    what: 'an expired token',
    call: async () => {
      const token = await world.token('acme', 'operator', { ttlSeconds: -3_600 });
      return new CogmeshClient({ baseUrl: mesh.url, token }).submitRun({ tasks: [script('a')] });
    },
    status: 401,
    code: 'expired_token',
    says: /expired/,
  },
  {
    what: 'a caller without the role',
    call: () => world.client(mesh.url, 'globex', 'viewer').submitRun({ tasks: [script('a')] }),
    status: 403,
    code: 'permission_denied',
    says: /may not create \/runs/,
  },
];

/** For a model of three inputs; the second has 128 elements of data, whatever its shape says. */
function tensors(shape: readonly unknown[]): TaskDocument {
  const inputs = [
    { name: 'input', datatype: 'FP32', shape: [1, 576], data: new Array<number>(576).fill(0) },
    { name: 'state', datatype: 'FP32', shape, data: new Array<number>(128).fill(0) },
    { name: 'sr', datatype: 'INT64', shape: [], data: [16_000] },
  ];
  return { id: 'work', uses: 'model:acme/silero-vad', input: { inputs } };
}

async function* chunks(count: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i += 1) yield new Uint8Array(65_536);
}

/** Everything an error tells a person, one line per issue. */
const told = ({ message, details }: CogmeshError) =>
  [message, ...(details.issues ?? []).map(({ path, message: why }) => `${path}: ${why}`)].join('\n');

describe('refused at once', () => {
  it.each(refused)('$what: $status $code', async ({ call, status, code, says }) => {
    const before = await inventory();
    const error = await refusalOf(call());
    expect(error).toMatchObject({ code, details: { status } });
    expect(told(error)).toMatch(says);
    expect(await inventory()).toEqual(before);
  });

  it('tells every problem of a document at once', async () => {
    const error = await refusalOf(submit(script('Bad'), script('b', { depends: ['nope'], input: '${{ what }}' })));
    expect(error.details.issues?.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['tasks[0].id', 'tasks[1].depends[0]', 'tasks[1].input']),
    );
  });
});

interface Failing {
  readonly what: string;
  readonly task: () => Promise<TaskDocument>;
  /** The whole code, as a regular expression. */
  readonly code: string;
  readonly says: RegExp;
}

const detect = async (bytes: Buffer): Promise<TaskDocument> => ({
  id: 'work',
  uses: 'model:acme/ppocr-detect',
  input: { image: reference(await operator.uploadBlob(bytes, { mediaType: 'image/png' })) },
});
const failing: readonly Failing[] = [
  {
    what: 'a tensor with less data than its shape says',
    task: async () => tensors([2, 1, 128]),
    code: 'invalid_tensor',
    says: /state.*256 elements.*128 elements/s,
  },
  {
    what: 'a tensor whose wrong shape is computed',
    task: async () => tensors([2, 1, '${{ 64 }}']),
    code: 'invalid_input',
    says: /input\.inputs\[1\]\.shape\[2\]: must be 128, is 64/,
  },
  {
    what: 'a picture that declares 50,000 x 50,000 pixels',
    task: () => detect(bombPng(50_000)),
    code: 'invalid_image',
    says: /50000 x 50000/,
  },
  {
    what: 'a truncated picture',
    task: async () => detect(await truncatedPng()),
    code: 'invalid_image',
    says: /truncated/,
  },
  {
    what: 'a script that never ends',
    task: async () => script('work', { script: 'for (;;) {}' }),
    code: 'script_timeout',
    says: /out of time/,
  },
  {
    what: 'a script that outlasts its own time-out',
    task: async () => script('work', { script: 'for (;;) {}', timeoutMs: 300, retry: { maxAttempts: 1 } }),
    // Whoever looks at the clock first: the engine or the scheduler.
    code: '(script_)?timeout',
    says: /time|longer/,
  },
  {
    what: 'a script that eats memory',
    task: async () => script('work', { script: 'const all = []; for (;;) all.push("x".repeat(65536) + all.length)' }),
    code: 'script_memory',
    says: /out of memory/,
  },
  {
    what: 'an expression that meets the wrong type',
    task: async () => script('work', { input: '${{ input.missing.field }}' }),
    code: 'invalid_expression',
    says: /missing/,
  },
];

describe('accepted, then failed with the reason', () => {
  it.each(failing)('$what: $code', async ({ task, code, says }) => {
    const run = await operator.submitRun({ input: {}, tasks: [await task(), script('after', { depends: ['work'] })] });
    const ended = await operator.waitForRun(run.id, { timeoutMs: RUN_TIMEOUT_MS });
    expect(ended.state).toBe('FAILED');
    const [work, after] = ended.tasks ?? [];
    expect(work).toMatchObject({
      state: 'FAILED',
      error: { code: expect.stringMatching(`^${code}$`), message: expect.stringMatching(says) },
    });
    expect(after).toMatchObject({ state: 'SKIPPED' });
  });
});

describe('accepted, then waiting with the reason', () => {
  it('a version of a model that nobody serves yet', async () => {
    const run = await submit({ id: 'work', uses: 'model:acme/ppocr-detect@^9' });
    const waiting = await until('the reason', async () => (await operator.getRun(run.id)).tasks?.[0]?.waiting);
    expect(waiting).toMatchObject({ code: 'no_agent', message: expect.stringMatching(/@\^9.*4\.0\.0/s) });
    expect(await operator.cancelRun(run.id)).toMatchObject({ state: expect.stringMatching(/^CANCEL/) });
  });
});

describe('afterwards', () => {
  it('still reads pictures and runs scripts', async () => {
    const picture = await readFile(demoFile('invoice.png'));
    const run = await operator.submitRun({ tasks: [await detect(picture), script('after', { depends: ['work'] })] });
    const ended = await operator.waitForRun(run.id, { timeoutMs: RUN_TIMEOUT_MS });
    expect(ended.tasks?.map(({ state, attempt }) => [state, attempt])).toEqual([
      ['SUCCEEDED', 1],
      ['SUCCEEDED', 1],
    ]);
  });

  it('is still ready and nothing is left half done', async () => {
    expect((await fetch(`${mesh.url}/readyz`)).status).toBe(200);
    const open: string[] = [];
    for await (const page of operator.listRuns()) {
      open.push(...page.filter(({ finishedAt }) => !finishedAt).map(({ id }) => id));
    }
    expect(open).toEqual([]);
    const { files } = await inventory();
    expect(files.filter((name) => !/blob_/.test(name))).toEqual([]);
  });
});
