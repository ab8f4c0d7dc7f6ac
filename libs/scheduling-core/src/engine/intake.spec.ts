import { beforeEach, describe, expect, it } from 'vitest';
import { error, EngineWorld, leaseMs, output, script } from '../../test/engine-world.js';
import { Intake, type ResultReport } from './intake.js';
import { renewLeases } from './leases.js';
import { ProgressWords } from './progress.js';
import { takeBack } from './take-back.js';

let world: EngineWorld;
let id: string;
beforeEach(async () => {
  world = await EngineWorld.open();
  id = await world.submit({ tasks: [script('a', { timeoutMs: 60_000 }), script('b')] });
});

const started = (attemptId: string, runId = id) =>
  world.do(world.intake.started([{ attemptId, runId, agentId: 'agent_2' }]));

const result = (attemptId: string, fields: Partial<ResultReport<string>> = {}): ResultReport<string> => ({
  attemptId,
  runId: id,
  agentId: 'agent_1',
  source: `of ${attemptId}`,
  outcome: output(1),
  ...fields,
});

describe('started', () => {
  it('begins the lease and the time-out, and names the agent that has it', async () => {
    const attempt = await world.claim(id, 'a');
    expect(await started(attempt)).toEqual({ accepted: 1, ignored: 0 });
    const now = world.clock.now();
    const running = { leaseUntil: now + leaseMs, dueAt: now + leaseMs, timeoutAt: now + 60_000, startedAt: now };
    expect(world.task(id, 'a')).toMatchObject({ state: 'RUNNING', attempt: 1, agentId: 'agent_2', ...running });
    expect(await started(attempt)).toEqual({ accepted: 0, ignored: 1 });
  });

  it('counts for nobody else’s run and no unknown attempt, and loads nothing for them', async () => {
    const attempt = await world.claim(id, 'a');
    const other = await world.submit({ tasks: [script('c')] });
    expect(await started(attempt, other)).toEqual({ accepted: 0, ignored: 1 });
    expect(await started('nobody')).toEqual({ accepted: 0, ignored: 1 });
    expect(world.task(id, 'a').state).toBe('PUBLISHED');
  });
});

describe('a result', () => {
  it('counts once, hands back what its sender knows, and tells what came of it', async () => {
    const attempt = await world.start(id, 'a');
    const both = [result(attempt), result(attempt, { outcome: output(2) })];
    const { told, ...counted } = await world.do(world.intake.results(both));
    expect(counted).toMatchObject({ accepted: 1, ignored: 1 });
    expect(told).toMatchObject([
      {
        source: `of ${attempt}`,
        task: { state: 'SUCCEEDED', output: '1' },
        totalTasks: 2,
        failure: undefined,
        runTraceparent: `trace of ${id}`,
      },
    ]);
    expect(await world.report(id, attempt)).toBe(0);
    expect(world.told('freed')).toEqual([attempt]);
  });

  it('proves that its attempt began', async () => {
    const attempt = await world.claim(id, 'a');
    expect(await world.report(id, attempt)).toBe(1);
    expect(world.task(id, 'a')).toMatchObject({ state: 'SUCCEEDED', attempt: 1 });
    const told = world.run(id).history.flatMap(({ taskState }) => taskState ?? []);
    expect(told).toEqual(['RUNNING', 'SUCCEEDED']);
    expect(await started(attempt)).toEqual({ accepted: 0, ignored: 1 });
  });

  it.each([
    ['no JSON', '{"cut', 'internal'],
    ['nothing', '', 'internal'],
    ['more than a message may carry', JSON.stringify('x'.repeat(64 * 1024)), 'output_too_large'],
  ])('that is %s is a failure', async (_what, json, code) => {
    await world.report(id, await world.start(id, 'a'), { case: 'output', json });
    expect(world.task(id, 'a').error).toContain(`"code":"${code}"`);
    expect(world.task(id, 'a').output).toBeNull();
  });

  it('keeps what an agent says of its error', async () => {
    const outcome = { case: 'error', code: '', message: 'no', retryable: false, details: { at: 3 } } as const;
    await world.report(id, await world.start(id, 'a'), outcome);
    expect(JSON.parse(world.task(id, 'a').error ?? '')).toEqual({
      code: 'internal',
      message: 'no',
      retryable: false,
      details: { at: 3 },
    });
  });

  it('that hands back what has begun does not count', async () => {
    const attempt = await world.start(id, 'a');
    expect(await world.report(id, attempt, { case: 'returned' })).toBe(0);
    expect(world.task(id, 'a').state).toBe('RUNNING');
  });

  it('of a lost agent counts as a loss when it had begun, and as nothing when it had not', async () => {
    const [begun, waiting] = [await world.start(id, 'a'), await world.claim(id, 'b')];
    await world.report(id, begun, error('lease_lost', true));
    await world.report(id, waiting, error('lease_lost', true));
    expect(world.task(id, 'a')).toMatchObject({ state: 'RETRY_WAIT', losses: 1, attempt: 1 });
    expect(world.task(id, 'b')).toMatchObject({ state: 'READY', losses: 0, attempt: 0, attemptId: null });
  });

  it('waits while memory is read anew, and counts then', async () => {
    const attempt = await world.start(id, 'a');
    world.engine.doubt(new Error('nobody knows'));
    const reported = world.intake.results([result(attempt)]);
    await world.clock.settle();
    await world.own();
    expect(await world.do(reported)).toMatchObject({ accepted: 1, ignored: 0 });
    expect(world.task(id, 'a').state).toBe('SUCCEEDED');
  });

  it('is refused when the scheduler stops before it is stored, and may come again', async () => {
    const attempt = await world.start(id, 'a');
    await world.do(world.engine.close());
    await expect(world.intake.results([result(attempt)])).rejects.toMatchObject({ code: 'unavailable' });
    await world.own();
    expect(await world.report(id, attempt)).toBe(1);
  });
});

it('an attempt’s trace is that of its publication until its row has one', async () => {
  const intake = new Intake({
    engine: world.engine,
    leaseMs,
    poisonAfter: 1,
    traceOf: (attempt) => `span of ${attempt}`,
  });
  const attempt = await world.claim(id, 'a');
  await world.do(intake.started([{ attemptId: attempt, runId: id, agentId: 'agent_1' }]));
  expect(world.task(id, 'a').traceparent).toBe(`span of ${attempt}`);
});

describe('leases', () => {
  it('are renewed in memory, and what nobody wants is named', async () => {
    const [running, published] = [await world.start(id, 'a'), await world.claim(id, 'b')];
    const before = world.task(id, 'a').leaseUntil;
    await world.clock.advance(4_000);
    const flushes = world.stored.length;
    expect(renewLeases(world.engine, [running, published, running, 'gone', 'gone'], leaseMs)).toEqual(['gone']);
    await world.clock.settle();
    expect(world.engine.attempt(running)?.leaseUntil).toBe(world.clock.now() + leaseMs);
    expect(world.task(id, 'a').leaseUntil).toBe(before);
    expect(world.stored).toHaveLength(flushes);
    await world.report(id, running);
    expect(renewLeases(world.engine, [running], leaseMs)).toEqual([running]);
  });

  it('are of a task’s own period where it names one', async () => {
    const own = await world.submit({ tasks: [script('patient', { heartbeatTimeoutMs: 30_000 })] });
    const attempt = await world.start(own, 'patient');
    expect(world.task(own, 'patient')).toMatchObject({ leaseMs: 30_000, leaseUntil: world.clock.now() + 30_000 });
    await world.clock.advance(1);
    renewLeases(world.engine, [attempt], leaseMs);
    expect(world.engine.attempt(attempt)?.leaseUntil).toBe(world.clock.now() + 30_000);
  });

  it('of nobody are given up while memory is read anew', async () => {
    const attempt = await world.start(id, 'a');
    world.engine.doubt(new Error('nobody knows'));
    expect(renewLeases(world.engine, [attempt, 'unheard of'], leaseMs)).toEqual([]);
  });
});

it('what agents hold unstarted is taken back, and nothing else', async () => {
  const attempts = [await world.start(id, 'a'), await world.claim(id, 'b'), 'unheard of'];
  await world.do(
    takeBack(
      world.engine,
      attempts.map((attemptId) => ({ attemptId })),
      'agent_gone',
    ),
  );
  expect(world.states(id)).toBe('a RUNNING, b READY');
  expect(world.decided.at(-1)?.handedBack.size).toBe(0);
  await world.do(takeBack(world.engine, [{ attemptId: 'unheard of' }], 'agent_gone'));
});

describe('words of a running attempt', () => {
  it('become history: in order, bounded, and only of who holds the lease', async () => {
    let nowMs = 0;
    const words = new ProgressWords(world.engine, () => nowMs);
    const [running, published] = [await world.start(id, 'a'), await world.claim(id, 'b')];
    const word = (attemptId: string, dataJson: string, runId = id) => ({ attemptId, runId, dataJson });
    const many = Array.from({ length: 40 }, (_, done) => word(running, `{"done":${done}}`));
    await world.do(
      words.tell([
        word('forged', '1'),
        word(published, '2'),
        word(running, '3', 'run_other'),
        word(running, '{"cut'),
        word(running, ''),
        word(running, JSON.stringify('x'.repeat(5_000))),
        ...many,
      ]),
    );
    nowMs = 1_000;
    await world.do(words.tell([word(running, '"later"')]));
    const told = world.run(id).history.filter(({ type }) => type === 'task.progress');
    // Twenty a second; the word of another run was one of them.
    expect(told.map(({ data }) => data)).toEqual([...many.slice(0, 19).map(({ dataJson }) => dataJson), '"later"']);
    expect(told[0]).toMatchObject({ taskId: 'a', attempt: 1, agentId: 'agent_1' });
    await world.report(id, running);
    await world.do(words.tell([word(running, '"too late"')]));
    expect(world.run(id).history.some(({ data }) => data === '"too late"')).toBe(false);
  });
});
