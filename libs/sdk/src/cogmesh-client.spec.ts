import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { CogmeshError } from '@cogmesh/errors';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { breakConnection, ContractServer, events, json, problem } from '../test/contract-server.js';
import { CogmeshClient, reference } from './cogmesh-client.js';

const run = { id: 'run_1', state: 'SUCCEEDED', organisation: 'acme', priority: 5, labels: {}, traceId: 't', name: 'n' };
const document = { tasks: [{ id: 'a', uses: 'script', script: 'return 1' }] };

let server: ContractServer;
let client: CogmeshClient;

beforeEach(async () => {
  server = await ContractServer.start();
  client = new CogmeshClient({ baseUrl: `${server.url}/`, token: 'tok', retryDelayMs: 1 });
});

afterEach(() => server.stop());

async function failure(promise: Promise<unknown>): Promise<CogmeshError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof CogmeshError) return error;
    throw error;
  }
  throw new Error('did not fail');
}

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of source) all.push(item);
  return all;
}

describe('submitting', () => {
  it('sends the document, the token and a key', async () => {
    server.answer(json(run, 202));
    expect(await client.submitRun(document, { idempotencyKey: 'k1' })).toEqual(run);
    const [asked] = server.asked;
    expect(asked).toMatchObject({ method: 'POST', url: '/v1/runs' });
    expect(asked?.headers).toMatchObject({ authorization: 'Bearer tok', 'idempotency-key': 'k1' });
    expect(JSON.parse(String(asked?.body))).toEqual(document);
  });

  it('repeats a broken request under the same key', async () => {
    server.answer(breakConnection, problem(503, 'unavailable', 'later'), json(run, 202));
    await client.submitRun(document);
    const keys = server.asked.map((asked) => asked.headers['idempotency-key']);
    expect(keys).toHaveLength(3);
    expect(new Set(keys).size).toBe(1);
  });

  it('reports every problem of a bad document and does not repeat it', async () => {
    const errors = [{ path: 'tasks[0].uses', code: 'unknown_model', message: 'no model' }];
    server.answer(problem(400, 'invalid_run', 'the run is not valid', { errors }));
    const error = await failure(client.submitRun(document));
    expect(error).toMatchObject({ code: 'invalid_run', message: 'the run is not valid' });
    expect(error.details.issues).toEqual(errors);
    expect(server.asked).toHaveLength(1);
  });
});

describe('failures', () => {
  it('keeps the evidence of the problem document', async () => {
    server.answer(problem(403, 'permission_denied', 'denied by rule r1', { rule: 'r1' }));
    expect((await failure(client.getRun('run_1'))).details).toMatchObject({ status: 403, rule: 'r1' });
  });

  it.each([
    [401, 'unauthenticated'],
    [418, 'internal'],
  ])('knows a %i without a problem document as %s', async (status, code) => {
    server.answer((response) => response.writeHead(status).end('<html>'));
    expect((await failure(client.getRun('run_1'))).code).toBe(code);
  });

  it('gives up after the retries', async () => {
    server.answer(...Array.from({ length: 4 }, () => problem(503, 'unavailable', 'down')), json(run));
    expect((await failure(client.getRun('run_1'))).code).toBe('unavailable');
    expect(server.asked).toHaveLength(4);
  });

  it('does not wait longer than it may for Retry-After', async () => {
    server.answer(problem(429, 'rate_limited', 'slower', { retryAfter: 3600 }), json(run));
    expect((await failure(client.getRun('run_1'))).details.retryAfterSeconds).toBe(3600);
    expect(server.asked).toHaveLength(1);
  });

  it('waits as long as Retry-After says', async () => {
    server.answer(problem(429, 'rate_limited', 'slower', { retryAfter: 0.05 }), json(run));
    const beforeMs = performance.now();
    await client.getRun('run_1');
    expect(performance.now() - beforeMs).toBeGreaterThanOrEqual(45);
  });

  it('times out when no answer comes', async () => {
    const hasty = new CogmeshClient({ baseUrl: server.url, token: 'tok', timeoutMs: 30, maxRetries: 0 });
    server.answer(() => {});
    expect((await failure(hasty.getRun('run_1'))).code).toBe('timeout');
  });

  it('says whom it could not reach', async () => {
    const nowhere = new CogmeshClient({ baseUrl: 'http://127.0.0.1:1', token: 'tok', maxRetries: 0 });
    expect((await failure(nowhere.whoami())).message).toContain('http://127.0.0.1:1');
  });

  it('needs a token', () => {
    expect(() => new CogmeshClient({ baseUrl: server.url })).toThrow(CogmeshError);
  });

  it('asks for a fresh token once when the gateway calls the last one expired', async () => {
    const renewing = new CogmeshClient({
      baseUrl: server.url,
      getToken: ({ refresh }) => (refresh ? 'new' : 'old'),
    });
    server.answer(problem(401, 'expired_token', 'expired'), json(run));
    await renewing.getRun('run_1');
    expect(server.asked.map((asked) => asked.headers.authorization)).toEqual(['Bearer old', 'Bearer new']);
    server.answer(problem(401, 'expired_token', 'expired'), problem(401, 'expired_token', 'expired'), json(run));
    expect((await failure(renewing.getRun('run_1'))).code).toBe('expired_token');
  });
});

describe('reading', () => {
  it('encodes what it puts into a path', async () => {
    server.answer(json(null));
    await client.taskOutput('run/../x', 'read', { index: 3 });
    expect(server.asked[0]?.url).toBe('/v1/runs/run%2F..%2Fx/tasks/read/output?index=3');
  });

  it('follows the pages until the last', async () => {
    server.answer(json({ runs: [run], nextCursor: 'c2' }), json({ runs: [run, run], nextCursor: null }));
    const pages = await collect(client.listRuns({ state: 'FAILED', pageSize: 2 }));
    expect(pages.map((page) => page.length)).toEqual([1, 2]);
    expect(server.asked.map((asked) => asked.url)).toEqual([
      '/v1/runs?state=FAILED&limit=2',
      '/v1/runs?state=FAILED&limit=2&cursor=c2',
    ]);
  });

  it.each([
    ['cancelRun', () => client.cancelRun('run_1', { reason: 'enough' }), 'POST', '/v1/runs/run_1/cancel'],
    ['output', () => client.output('run_1'), 'GET', '/v1/runs/run_1/output'],
    ['trace', () => client.trace('run_1'), 'GET', '/v1/runs/run_1/trace'],
    ['whoami', () => client.whoami(), 'GET', '/v1/whoami'],
    ['models', () => client.models(), 'GET', '/v1/models'],
    ['agents', () => client.agents(), 'GET', '/v1/agents'],
    [
      'explain',
      () => client.explain({ action: 'infer', resource: { type: 'model', id: 'a/b' } }),
      'POST',
      '/v1/policy/explain',
    ],
    ['getPolicies', () => client.getPolicies(), 'GET', '/v1/policies'],
    ['putPolicies', () => client.putPolicies({ policies: [] }), 'PUT', '/v1/policies'],
  ] as const)('%s calls its path', async (_, call, method, url) => {
    server.answer(json({ models: [], agents: [] }));
    await call();
    expect(server.asked[0]).toMatchObject({ method, url });
  });
});

describe('policies', () => {
  it('are replaced only on top of the epoch they were read at', async () => {
    server.answer(problem(409, 'conflict', 'the epoch is 8'));
    const put = client.putPolicies({ policies: [] }, { expectedEpoch: 7 });
    expect((await failure(put)).code).toBe('conflict');
    expect(server.asked[0]?.headers['if-match']).toBe('"7"');
  });
});

describe('watching', () => {
  it('resumes after the last event it saw, without repeating or losing one', async () => {
    server.answer(
      events(
        [
          [1, 'run.state'],
          [2, 'task.state'],
        ],
        'break',
      ),
      problem(503, 'unavailable', 'restarting'),
      events(
        [
          [2, 'task.state'],
          [3, 'task.state'],
        ],
        'end',
      ),
      events([[4, 'run.done']]),
    );
    const seen = await collect(client.watchRun('run_1', { reconnectDelayMs: 1 }));
    expect(seen.map((event) => event.sequence)).toEqual([1, 2, 3, 4]);
    expect(server.asked.map((asked) => asked.headers['last-event-id'])).toEqual([undefined, '2', '2', '3']);
  });

  it('gives up when nothing comes any more', async () => {
    server.answer(...Array.from({ length: 4 }, () => events([])));
    const watching = collect(client.watchRun('run_1', { reconnectDelayMs: 1, maxReconnects: 3 }));
    expect((await failure(watching)).code).toBe('unavailable');
    expect(server.asked).toHaveLength(4);
  });

  it('does not ask again for a run that is not there', async () => {
    server.answer(problem(404, 'not_found', 'no such run'));
    expect((await failure(collect(client.watchRun('run_x')))).code).toBe('not_found');
    expect(server.asked).toHaveLength(1);
  });

  it('takes a silent connection for dead', async () => {
    server.answer(
      (response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': hello\n\n');
      },
      events([[1, 'run.done']]),
    );
    const seen = await collect(client.watchRun('run_1', { idleMs: 30, reconnectDelayMs: 1 }));
    expect(seen).toHaveLength(1);
  });

  it('can be cancelled', async () => {
    const abort = new AbortController();
    server.answer((response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('id: 1\nevent: run.state\ndata: {}\n\n');
    });
    const watching = (async () => {
      for await (const event of client.watchRun('run_1', { signal: abort.signal }))
        if (event.sequence === 1) abort.abort();
    })();
    expect((await failure(watching)).code).toBe('cancelled');
  });

  it('waits for the end and answers the run', async () => {
    server.answer(events([[1, 'run.done']]), json(run));
    expect(await client.waitForRun('run_1')).toEqual(run);
  });

  it('does not wait for ever', async () => {
    server.answer((response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(': hello\n\n');
    });
    expect((await failure(client.waitForRun('run_1', { timeoutMs: 30 }))).code).toBe('timeout');
  });
});

describe('blobs', () => {
  const stored = { id: 'blob_1', mediaType: 'image/png', bytes: 4, sha256: 'x' };
  const bytes = Buffer.from('data');

  it.each([
    ['a buffer', () => bytes],
    ['a Node stream', () => Readable.from([bytes])],
    ['a web stream', () => new Blob([bytes]).stream()],
    [
      'an async iterable',
      () =>
        (async function* () {
          yield bytes;
        })(),
    ],
  ])('uploads %s', async (_, content) => {
    server.answer(json(stored, 201));
    const blob = await client.uploadBlob(content(), { mediaType: 'image/png' });
    expect(server.asked[0]?.body).toEqual(bytes);
    expect(server.asked[0]?.headers['content-type']).toBe('image/png');
    expect(reference(blob)).toEqual({ $blob: 'blob_1', mediaType: 'image/png', bytes: 4 });
  });

  it('uploads a file, again when the first try broke', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'cogmesh-sdk-'));
    try {
      await writeFile(join(folder, 'picture'), bytes);
      server.answer(breakConnection, json(stored, 201));
      await client.uploadBlob({ path: join(folder, 'picture') }, { mediaType: 'image/png' });
      expect(server.asked.map((asked) => asked.body)).toEqual([bytes, bytes]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('says which file it could not read', async () => {
    const error = await failure(client.uploadBlob({ path: '/nowhere/x.png' }, { mediaType: 'image/png' }));
    expect(error).toMatchObject({ code: 'not_found', details: { path: '/nowhere/x.png' } });
  });

  it('does not send a stream twice', async () => {
    server.answer(problem(503, 'unavailable', 'later'), json(stored, 201));
    const upload = client.uploadBlob(Readable.from([bytes]), { mediaType: 'image/png' });
    expect((await failure(upload)).code).toBe('unavailable');
    expect(server.asked).toHaveLength(1);
  });

  it('downloads, within a limit', async () => {
    const answer = (response: ServerResponse) => {
      response.writeHead(200, { 'content-type': 'image/png', 'content-length': '4' }).end(bytes);
    };
    server.answer(answer, answer);
    const download = await client.downloadBlob({ $blob: 'blob_1' });
    expect(download).toMatchObject({ mediaType: 'image/png', bytes: 4 });
    expect(await download.buffer()).toEqual(bytes);
    expect((await failure((await client.downloadBlob('blob_1')).buffer(3))).code).toBe('payload_too_large');
  });
});
