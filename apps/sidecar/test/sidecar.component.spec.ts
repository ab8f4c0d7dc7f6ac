/** The sidecar as it runs, in front of a real gRPC server that accepts only proven calls. */
import { connect, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2';
import { inferenceV1, registryV1, schedulerV1 } from '@cogmesh/contracts';
import { sidecarProofHeader } from '@cogmesh/enforcement';
import { CogmeshError } from '@cogmesh/errors';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { chunksPerStream } from './guarded-service.js';
import { SidecarWorld } from './sidecar-world.js';

const submit = `/${schedulerV1.SchedulerService.typeName}/SubmitRun`;
const getRun = `/${schedulerV1.SchedulerService.typeName}/GetRun`;
const watchRun = `/${schedulerV1.SchedulerService.typeName}/WatchRun`;
const inferStream = `/${inferenceV1.InferenceService.typeName}/InferStream`;
const readRun = [{ action: 'read', resource: '/runs/run_1' }];

let world: SidecarWorld;
const scheduler = () => world.client(schedulerV1.SchedulerService);

beforeAll(async () => {
  world = await SidecarWorld.open();
});
afterAll(() => world.close());
afterEach(() => {
  world.guarded.calls.length = 0;
  world.guarded.aborted = 0;
});

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    if (error instanceof CogmeshError) return error.code;
    throw error;
  }
  return 'answered';
}

describe('what passes', () => {
  it('a unary call, with the subject established and the proof added', async () => {
    const answer = await scheduler().submitRun({ documentJson: 'abc' }, { metadata: await world.permit() });
    expect(answer.run?.id).toBe('run_3');
    expect(world.guarded.calls[0]?.caller).toMatchObject({
      kind: 'subject',
      subject: { organisation: 'acme', sub: 'ann' },
    });
    expect(world.guarded.calls[0]?.metadata.get(sidecarProofHeader)).toMatch(/^v1\./);
  });

  it("an error of the service, with its code, text and details as the service's own client would see them", async () => {
    const refused = scheduler().submitRun({ documentJson: 'bad' }, { metadata: await world.permit() });
    await expect(refused).rejects.toMatchObject({
      code: 'invalid_run',
      message: 'a bad run: 100 % wrong — ü',
      details: { issues: [{ path: 'tasks[0]' }] },
    });
  });

  it('a two-way stream, message by message', async () => {
    const metadata = await world.permit({
      method: inferStream,
      access: [{ action: 'infer', resource: '/models/acme/x' }],
    });
    const questions = ['a', 'b', 'c'];
    const heard: string[] = [];
    let next: () => void = () => {};
    async function* ask() {
      for (const model of questions) {
        const answered = new Promise<void>((resolve) => (next = resolve));
        yield { request: { model } };
        await answered;
      }
    }
    for await (const { outcome } of world
      .client(inferenceV1.InferenceService)
      .inferStream(ask(), { metadata, deadlineMs: 10_000 })) {
      if (outcome.case === 'response') heard.push(outcome.value.model);
      next();
    }
    expect(heard).toEqual(questions);
  });

  it('the stream of an agent, which the service authenticates itself', async () => {
    async function* hello() {
      yield {};
    }
    const answers = [];
    for await (const answer of world.client(registryV1.AgentService).connect(hello(), { deadlineMs: 10_000 }))
      answers.push(answer);
    expect(answers).toHaveLength(1);
    expect(world.guarded.calls[0]?.caller).toEqual({ kind: 'anonymous' });
  });

  it('a service in the table, with its identity alone', async () => {
    expect(await codeOf(scheduler().renewLeases({}, { metadata: await world.serviceToken('registry') }))).toBe(
      'answered',
    );
  });

  it('a permit near its largest size', async () => {
    const access = Array.from({ length: 400 }, (_, at) => ({
      action: 'read',
      resource: `/runs/run_${String(at).padStart(26, '0')}`,
    }));
    const metadata = await world.permit({ access });
    expect(metadata.authorization.length).toBeGreaterThan(30_000);
    expect(await codeOf(scheduler().submitRun({ documentJson: 'x' }, { metadata }))).toBe('answered');
  });
});

describe('flow control', () => {
  it('a slow reader holds back the service; then everything arrives, in order', async () => {
    const metadata = await world.permit({ method: watchRun, access: readRun });
    const reader = scheduler().watchRun({ runId: 'run_1' }, { metadata })[Symbol.asyncIterator]();
    await reader.next();
    let before = -1;
    const stalled = () => {
      const same = world.guarded.produced === before;
      before = world.guarded.produced;
      return same;
    };
    await expect.poll(stalled, { interval: 250, timeout: 10_000 }).toBe(true);
    // 64 KiB each: what the windows and buffers on the way may hold.
    expect(world.guarded.produced).toBeLessThan(chunksPerStream / 4);
    let last = 1n;
    for (let step = await reader.next(); step.done !== true; step = await reader.next()) {
      expect(step.value.event?.sequence).toBe(last + 1n);
      last = step.value.event?.sequence ?? 0n;
    }
    expect(last).toBe(BigInt(chunksPerStream));
  });

  it('a stalled stream does not hold back other calls on the same connection', async () => {
    const client = scheduler();
    const reader = client
      .watchRun({ runId: 'run_1' }, { metadata: await world.permit({ method: watchRun, access: readRun }) })
      [Symbol.asyncIterator]();
    await reader.next();
    for (let at = 0; at < 20; at += 1) {
      expect(
        await codeOf(client.submitRun({ documentJson: 'x'.repeat(100_000) }, { metadata: await world.permit() })),
      ).toBe('answered');
    }
    await reader.return?.(undefined);
  });
});

describe('the end of a call', () => {
  it('a cancel reaches the service', async () => {
    const cancel = new AbortController();
    const metadata = await world.permit({ method: getRun, access: readRun });
    const waiting = codeOf(scheduler().getRun({ runId: 'held' }, { metadata, signal: cancel.signal }));
    await expect.poll(() => world.guarded.calls.length).toBe(1);
    cancel.abort();
    expect(await waiting).toBe('cancelled');
    await expect.poll(() => world.guarded.aborted).toBe(1);
  });

  it('so does leaving a stream early', async () => {
    const metadata = await world.permit({ method: watchRun, access: readRun });
    for await (const _ of scheduler().watchRun({ runId: 'run_1' }, { metadata })) break;
    await expect.poll(() => world.guarded.aborted).toBe(1);
  });

  it('a deadline ends it on both sides', async () => {
    const metadata = await world.permit({ method: getRun, access: readRun });
    expect(await codeOf(scheduler().getRun({ runId: 'held' }, { metadata, deadlineMs: 150 }))).toBe('timeout');
    await expect.poll(() => world.guarded.aborted).toBe(1);
  });

  it('hundreds of cancelled calls leave none behind', async () => {
    const client = scheduler();
    const cancels = Array.from({ length: 200 }, () => new AbortController());
    const outcomes = cancels.map(async ({ signal }) => {
      const metadata = await world.permit({ method: getRun, access: readRun });
      return codeOf(client.getRun({ runId: 'held' }, { metadata, signal }));
    });
    await expect.poll(() => world.guarded.calls.length).toBeGreaterThan(50);
    for (const cancel of cancels) cancel.abort();
    expect(new Set(await Promise.all(outcomes))).toEqual(new Set(['cancelled']));
    await expect.poll(() => world.guarded.calls.every(({ signal }) => signal.aborted)).toBe(true);
    expect(await codeOf(client.submitRun({ documentJson: 'x' }, { metadata: await world.permit() }))).toBe('answered');
  });

  it('a service that says goodbye: its calls finish, new ones go to its successor', async () => {
    const client = scheduler();
    const metadata = await world.permit({ method: getRun, access: readRun });
    const waiting = codeOf(client.getRun({ runId: 'held' }, { metadata }));
    await expect.poll(() => world.guarded.calls.length).toBe(1);
    const drained = world.drainService();
    await world.startService();
    await expect
      .poll(async () => codeOf(client.submitRun({ documentJson: 'x' }, { metadata: await world.permit() })))
      .toBe('answered');
    world.guarded.release();
    expect(await waiting).toBe('answered');
    await drained;
  });

  it('a service that dies: the call under way and the next ones are unavailable, and it recovers with the service', async () => {
    const client = scheduler();
    const metadata = await world.permit({ method: getRun, access: readRun });
    const waiting = codeOf(client.getRun({ runId: 'held' }, { metadata }));
    await expect.poll(() => world.guarded.calls.length).toBe(1);
    await world.killService();
    expect(await waiting).toBe('unavailable');
    expect(await codeOf(client.submitRun({ documentJson: 'x' }, { metadata: await world.permit() }))).toBe(
      'unavailable',
    );
    expect((await world.sidecar.running.readiness()).checks['scheduler']?.ready).toBe(false);
    await world.startService();
    await expect
      .poll(async () => codeOf(client.submitRun({ documentJson: 'x' }, { metadata: await world.permit() })))
      .toBe('answered');
  });
});

describe('what is refused, before the service sees anything of it', () => {
  const cases: readonly [string, () => Promise<{ authorization: string }>, string][] = [
    ['a permit without the role', () => world.permit({ roles: [] }), 'permission_denied'],
    [
      'a permit for a model that no rule allows',
      () => world.permit({ access: [{ action: 'infer', resource: '/models/globex/x' }] }),
      'permission_denied',
    ],
    ['a permit for another method', () => world.permit({ method: getRun }), 'invalid_permit'],
    ['a permit for another service', () => world.permit({ audience: 'registry' }), 'invalid_permit'],
    ["a service's own token where a person must be named", () => world.serviceToken('gateway'), 'permission_denied'],
    ['garbage', () => Promise.resolve({ authorization: 'Bearer a.b.c' }), 'invalid_token'],
    [
      'metadata over the limit',
      async () => ({ ...(await world.permit()), 'x-pad': 'x'.repeat(60_000) }),
      'payload_too_large',
    ],
  ];
  it.each(cases)('%s', async (_name, credentials, code) => {
    expect(await codeOf(scheduler().submitRun({ documentJson: 'x' }, { metadata: await credentials() }))).toBe(code);
    expect(world.guarded.calls).toHaveLength(0);
  });

  it('no credentials at all', async () => {
    expect(await codeOf(scheduler().submitRun({ documentJson: 'x' }))).toBe('unauthenticated');
  });

  it('says which rule and what to do, in the error a client throws', async () => {
    const refused = scheduler().submitRun(
      { documentJson: 'x' },
      { metadata: await world.permit({ roles: ['guest'] }) },
    );
    await expect(refused).rejects.toMatchObject({
      details: { decision: 'no_matching_allow', resource: '/runs', action: 'create' },
    });
  });

  it('a permit that was used, at once and later', async () => {
    const metadata = await world.permit();
    const client = scheduler();
    const codes = await Promise.all([1, 2, 3].map(() => codeOf(client.submitRun({ documentJson: 'x' }, { metadata }))));
    expect(codes.sort()).toEqual(['answered', 'replayed_permit', 'replayed_permit']);
    expect(world.guarded.calls).toHaveLength(1);
  });

  it('a large body whose call is denied, without waiting for it', async () => {
    const metadata = await world.permit({ roles: [] });
    expect(await codeOf(scheduler().submitRun({ documentJson: 'x'.repeat(6_000_000) }, { metadata }))).toBe(
      'permission_denied',
    );
  });

  it('everything while policies are stale, and nothing once they are fresh again', async () => {
    world.bundles.answers = false;
    const call = async () =>
      codeOf(
        scheduler().getRun({ runId: 'run_1' }, { metadata: await world.permit({ method: getRun, access: readRun }) }),
      );
    await expect.poll(call, { timeout: 5_000 }).toBe('stale_policy');
    expect(await world.sidecar.running.readiness()).toMatchObject({ ready: false });
    world.bundles.answers = true;
    await expect.poll(call, { timeout: 5_000 }).toBe('answered');
  });

  it('what new policies deny, within the next question for them', async () => {
    const call = async () =>
      codeOf(
        scheduler().getRun({ runId: 'run_1' }, { metadata: await world.permit({ method: getRun, access: readRun }) }),
      );
    expect(await call()).toBe('answered');
    const before = world.bundles.policies;
    world.bundles.policies = { policies: [] };
    world.bundles.epoch += 1;
    await expect.poll(call).toBe('permission_denied');
    world.bundles.policies = before;
    world.bundles.epoch += 1;
    await expect.poll(call).toBe('answered');
  });

  it('a direct call to the service with a valid permit', async () => {
    const direct = world.client(schedulerV1.SchedulerService, world.serviceAddress);
    expect(await codeOf(direct.submitRun({ documentJson: 'x' }, { metadata: await world.permit() }))).toBe(
      'direct_call',
    );
  });

  it.each([
    sidecarProofHeader,
    'Cogmesh-Sidecar-Proof',
    'cogmesh_sidecar_proof',
    'x-cogmesh-sidecar-proof',
    'X_Cogmesh_Subject',
    'x-forwarded-user',
    'remote_user',
  ])('the header %s from outside never reaches the service', async (name) => {
    await scheduler().submitRun({ documentJson: 'x' }, { metadata: { ...(await world.permit()), [name]: 'smuggled' } });
    const seen = [...(world.guarded.calls[0]?.metadata ?? [])];
    expect(seen.filter(([, value]) => value.includes('smuggled'))).toEqual([]);
  });
});

describe('on the wire', () => {
  interface Answer {
    readonly headers: IncomingHttpHeaders | undefined;
    readonly body: string;
    readonly rstCode: number | undefined;
  }

  function raw(headers: OutgoingHttpHeaders): Promise<Answer> {
    return new Promise((resolve) => {
      const session = connect(`http://${world.address}`);
      const stream = session.request({
        ':method': 'POST',
        'content-type': 'application/grpc',
        te: 'trailers',
        ...headers,
      });
      let received: IncomingHttpHeaders | undefined;
      let body = '';
      stream.on('response', (answer) => (received = answer));
      stream.on('data', (chunk: Buffer) => (body += chunk.toString()));
      stream.on('error', () => {});
      stream.on('close', () => {
        session.destroy();
        resolve({ headers: received, body, rstCode: stream.rstCode });
      });
      stream.end();
    });
  }

  it.each([
    `/${submit}`,
    submit.slice(1),
    submit.replace('Submit', 'Subm%69t'),
    submit.replace('/Submit', '/./Submit'),
    `${submit}/`,
    `${submit}?x=1`,
    '/',
    '*',
  ])('the path %s is not routed', async (path) => {
    const { headers, rstCode } = await raw({ ':path': path, ...(await world.permit()) });
    // Node itself resets what is no path at all.
    if (headers === undefined) expect(rstCode).not.toBe(0);
    else expect(headers).toMatchObject({ ':status': 200, 'grpc-status': '3' });
    expect(world.guarded.calls).toHaveLength(0);
  });

  it('a refusal is trailers-only with status, message and code', async () => {
    const { headers, body } = await raw({ ':path': submit });
    expect(headers).toMatchObject({
      ':status': 200,
      'content-type': 'application/grpc',
      'grpc-status': '16',
      'grpc-message': expect.stringMatching(/bearer token/) as string,
    });
    expect(Buffer.from(String(headers?.['cogmesh-error-bin']), 'base64').toString()).toContain('"unauthenticated"');
    expect(body).toBe('');
  });

  it('plain HTTP gets a problem document, and no verb but POST', async () => {
    const { headers, body } = await raw({ ':path': submit, 'content-type': 'application/json' });
    expect(headers).toMatchObject({ ':status': 401, 'content-type': 'application/problem+json' });
    expect(JSON.parse(body)).toMatchObject({ code: 'unauthenticated', status: 401 });
    expect((await raw({ ':method': 'GET', ':path': submit, ...(await world.permit()) })).headers).toMatchObject({
      'grpc-status': '3',
    });
  });

  it('headers beyond what HTTP/2 peers accept end the stream, not the sidecar', async () => {
    const { headers } = await raw({ ':path': submit, 'x-a': 'a'.repeat(40_000), 'x-b': 'b'.repeat(20_000) });
    if (headers !== undefined) expect(headers['grpc-status']).toBe('8');
    expect(world.guarded.calls).toHaveLength(0);
    expect(await codeOf(scheduler().submitRun({ documentJson: 'x' }, { metadata: await world.permit() }))).toBe(
      'answered',
    );
  });
});

describe('a sidecar with limits', () => {
  it('ends a call that sends more than its body limit', async () => {
    const limited = await SidecarWorld.open({ COGMESH_SIDECAR_MAX_BODY_BYTES: '1000000' });
    try {
      const client = limited.client(schedulerV1.SchedulerService);
      expect(
        await codeOf(client.submitRun({ documentJson: 'x'.repeat(900_000) }, { metadata: await limited.permit() })),
      ).toBe('answered');
      expect(
        await codeOf(client.submitRun({ documentJson: 'x'.repeat(2_000_000) }, { metadata: await limited.permit() })),
      ).toBe('payload_too_large');
    } finally {
      await limited.close();
    }
  });
});
