/** The command line against `cogmesh up`, as a person uses it beside a running mesh: each command once for people, once with --json. */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunView } from '@cogmesh/sdk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AllInOne, modelsReady, startUp } from './src/all-in-one.js';
import { until } from './src/poll.js';
import { type CommandResult, mainOf, root, runCommand, startCommand } from './src/processes.js';
import { createWorld, type World } from './src/world.js';

let world: World;
let mesh: AllInOne;

beforeAll(async () => {
  world = await createWorld();
  mesh = await startUp(world);
  await modelsReady(() => world.client(mesh.url, 'acme', 'operator').models());
});

afterAll(async () => {
  await mesh?.stop();
  await world?.remove();
});

function cogmesh(...args: readonly string[]): Promise<CommandResult> {
  return runCommand(process.execPath, ['--no-warnings', mainOf('cli'), '--data-dir', world.directory.path, ...args]);
}

async function json<T = Record<string, unknown>>(...args: readonly string[]): Promise<T> {
  const { stdout, stderr, code } = await cogmesh(...args, '--json');
  expect(code, stdout + stderr).toBe(0);
  return JSON.parse(stdout) as T;
}

const hello = join(root, 'docs/examples/hello.json');
const pipeline = join(root, 'docs/examples/pipeline.ts');
const example = join(root, 'docs/examples/lookup-agent.ts');
const sleeper = JSON.stringify({ tasks: [{ id: 'nap', uses: 'sleep', input: { durationMs: 600_000 } }] });

async function submitted(document: string): Promise<RunView> {
  const args = ['--no-warnings', mainOf('cli'), '--data-dir', world.directory.path, 'run', '-', '--json'];
  const { stdout } = await runCommand(process.execPath, args, { stdin: document });
  return JSON.parse(stdout) as RunView;
}

describe('for people', () => {
  it('run --watch prints plain lines and the result', async () => {
    const { stdout, code } = await cogmesh('run', hello, '--watch');
    expect(code).toBe(0);
    expect(stdout).toMatch(/pause {2}WAITING/);
    expect(stdout).toMatch(/join {2}SUCCEEDED/);
    expect(stdout).toContain('2. Hello, Grace!');
    // No colours and no cursor movements where there is no terminal.
    expect(stdout).not.toContain('\u001b');
  });

  it.each([
    ['whoami', ['whoami'], /of acme, roles admin/],
    ['models', ['models'], /acme\/ppocr-detect +4\.0\.0 +ready/],
    ['agents', ['agents'], /script/],
    ['runs', ['runs'], /run_[0-9A-Z]{26} .*hello/],
    ['policy explain, allowed', ['policy', 'explain', 'read', '/runs'], /^● allowed/],
    ['policy explain, denied', ['policy', 'explain', 'fly', '/runs'], /^✗ denied/],
    ['policy check', ['policy', 'check', 'read', '/runs'], /^allowed/],
    ['token', ['token', '--ttl', '60'], /^ey[\w-]+\.[\w-]+\.[\w-]+$/m],
    ['doctor', ['doctor'], /✓ models: [1-9]/],
  ] as const)('%s', async (_, args, says) => {
    const { stdout, stderr, code } = await cogmesh(...args);
    expect(code, stdout + stderr).toBe(0);
    expect(stdout).toMatch(says);
  });

  it('policy check tells a refusal by its exit code', async () => {
    const { stdout, code } = await cogmesh('policy', 'check', 'read', '/runs', '--subject', 'nobody');
    expect(stdout).toMatch(/^denied/);
    expect(code).toBe(3);
  });

  it('run <id> and trace <id> show a run that has ended', async () => {
    const run = await json<RunView>('run', hello, '--watch');
    const shown = await cogmesh('run', run.id);
    expect(shown).toMatchObject({ code: 0, stdout: expect.stringMatching(/greet +✓? ?succeeded|greet.*SUCCEEDED/i) });
    const trace = await until('the trace has the run', async () => {
      const { stdout } = await cogmesh('trace', run.id);
      return stdout.includes('run task') && stdout;
    });
    expect(trace).toMatch(/1 root, services .*gateway.*scheduler.*worker/);
  });

  it('cancel stops a run that sleeps', async () => {
    const run = await submitted(sleeper);
    await until('it sleeps', async () => (await json<RunView>('run', run.id)).tasks?.[0]?.state === 'WAITING');
    expect(await cogmesh('cancel', run.id, '--reason', 'enough')).toMatchObject({ code: 0 });
    await until('it is cancelled', async () => (await cogmesh('run', run.id)).stdout.match(/cancelled/i) !== null);
  });
});

describe('with --json', () => {
  it.each([
    ['whoami', ['whoami'], { organisation: 'acme', roles: ['admin'] }],
    ['models', ['models'], { models: expect.arrayContaining([expect.objectContaining({ ready: true })]) }],
    ['agents', ['agents'], { agents: [expect.objectContaining({ state: 'READY' })] }],
    ['runs', ['runs', '--limit', '1'], { runs: [expect.objectContaining({ organisation: 'acme' })] }],
    ['policy explain', ['policy', 'explain', 'read', '/runs'], { allowed: true }],
    ['token', ['token'], { token: expect.stringMatching(/^ey/) }],
    ['doctor', ['doctor'], { healthy: true }],
  ] as const)('%s prints one document', async (_, args, document) => {
    expect(await json(...args)).toMatchObject(document);
  });

  it('run, run --watch, run <id>, cancel and trace print the run and its trace', async () => {
    const run = await json<RunView>('run', hello, '--watch');
    expect(run).toMatchObject({ name: 'hello', state: 'SUCCEEDED', output: expect.stringContaining('Hello, Ada!') });
    expect(await json('run', run.id)).toMatchObject({ id: run.id, state: 'SUCCEEDED' });
    const { id } = await submitted(sleeper);
    expect(await json('cancel', id)).toMatchObject({ id, state: expect.stringMatching(/CANCELL(ING|ED)/) });
    expect(await json('trace', run.id)).toMatchObject({ traceId: run.traceId });
  });
});

describe('steering', () => {
  it('a module that exports a DAG is drawn, and run to its end', async () => {
    const graph = await cogmesh('run', '--graph', pipeline);
    expect(graph).toMatchObject({ code: 0, stdout: expect.stringMatching(/^flowchart TD\n.*t0 --> t1/s) });
    const run = await json<RunView>('run', pipeline, '--watch');
    expect(run).toMatchObject({ state: 'SUCCEEDED', output: '5 words, beginning with "one two three"' });
  });

  it('pause, priority, why and resume', async () => {
    const { id } = await submitted(sleeper);
    expect(await json('pause', id, '--reason', 'lunch')).toMatchObject({ id, paused: true });
    expect(await json('resume', id)).toMatchObject({ id, paused: false });
    expect(await json('priority', id, '8')).toMatchObject({ id, priority: 8 });
    expect(await json('why', id)).toMatchObject({ tasks: [{ task: 'nap', waiting: { code: 'timer' } }] });
    expect(await json('cancel', id)).toMatchObject({ id });
  });

  it('approve and refuse', async () => {
    const gate = JSON.stringify({ tasks: [{ id: 'gate', uses: 'approval', input: { message: 'go?' } }] });
    const waiting = async () => {
      const { id } = await submitted(gate);
      await until('it waits', async () => (await json<RunView>('run', id)).tasks?.[0]?.state === 'WAITING');
      return id;
    };
    const approved = await waiting();
    expect(await json('approve', approved, 'gate', '--comment', 'fine')).toMatchObject({ missing: 0 });
    await until('it goes on', async () => (await json<RunView>('run', approved)).state === 'SUCCEEDED');
    const refused = await waiting();
    expect(await json('refuse', refused, 'gate')).toMatchObject({ approved: false });
    await until('it fails', async () => (await cogmesh('run', refused, '--json')).stdout.includes('"FAILED"'));
  });

  it('retry repeats a run', async () => {
    const run = await json<RunView>('run', hello, '--watch');
    const again = await json<RunView>('retry', run.id, '--all');
    expect(again).toMatchObject({ originRun: run.id });
    expect(again.id).not.toBe(run.id);
  });

  it('limits', async () => {
    const set = ['limits', 'set', 'group', 'gpu', '--max-in-flight', '2', '--rate', '5', '--burst', '5'];
    expect(await json(...set)).toMatchObject({
      kind: 'group',
      name: 'gpu',
      limits: { maxInFlight: 2, ratePerSecond: 5 },
    });
    expect((await cogmesh('limits')).stdout).toMatch(/group +gpu +0 of 2/);
  });

  it('schedules', async () => {
    expect(await json('schedules', 'put', 'yearly', hello, '--cron', '0 0 1 1 *')).toMatchObject({
      name: 'yearly',
      overlap: 'skip',
    });
    expect(await json('schedules', 'pause', 'yearly')).toMatchObject({ paused: true });
    expect((await cogmesh('schedules')).stdout).toMatch(/yearly +0 0 1 1 \* +UTC +paused/);
    expect(await json('schedules', 'resume', 'yearly')).toMatchObject({ paused: false });
    expect(await json('schedules', 'trigger', 'yearly')).toMatchObject({ run: expect.stringMatching(/^run_/) });
    const range = ['--from', '2020-06-01T00:00:00Z', '--to', '2022-06-01T00:00:00Z'];
    const { runs } = await json<{ runs: string[] }>('schedules', 'backfill', 'yearly', ...range);
    expect(runs).toHaveLength(2);
    expect(await json('schedules', 'delete', 'yearly')).toEqual({ deleted: 'yearly' });
  });

  it('webhooks and dead letters', async () => {
    const made = await json<{ id: string }>('webhooks', 'add', 'https://hooks.example/x', '--state', 'failed');
    expect(made).toMatchObject({ secret: expect.any(String), states: ['FAILED'] });
    expect((await cogmesh('webhooks')).stdout).toContain('https://hooks.example/x');
    expect(await json('webhooks', 'deliveries', made.id)).toEqual({ deliveries: [] });
    expect(await json('webhooks', 'delete', made.id)).toEqual({ deleted: made.id });
    expect(await json('dead-letters')).toEqual({ deadLetters: [] });
  });
});

describe('what goes wrong', () => {
  it.each([
    ['an unknown run', ['run', 'run_01ARZ3NDEKTSV4RRFFQ69G5FAV'], 'not_found'],
    ['a file that is not there', ['run', '/nowhere/run.json'], '/nowhere/run.json'],
    ['a bad document', ['run', join(root, 'package.json')], 'invalid_run'],
    ['no gateway', ['--url', 'http://127.0.0.1:1', 'whoami'], 'unavailable'],
    ['a bad token', ['--token', 'nonsense', 'whoami'], 'token'],
    ['a priority that is no number', ['priority', 'run_01ARZ3NDEKTSV4RRFFQ69G5FAV', 'high'], 'priority'],
    ['a bad limit', ['runs', '--limit', 'many'], '--limit'],
  ] as const)('%s: status 1 and one clear line', async (_, args, says) => {
    const { stdout, stderr, code } = await cogmesh(...args);
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/^error /);
    expect(stderr).toContain(says);
    expect(stderr).not.toMatch(/\n\s+at /);
    const inJson = await cogmesh(...args, '--json');
    expect(JSON.parse(inJson.stdout)).toMatchObject({
      error: { code: expect.any(String), message: expect.any(String) },
    });
    expect(inJson.code).toBe(1);
  });

  it('a run that fails makes --watch end with 1', async () => {
    const document = JSON.stringify({ tasks: [{ id: 'a', uses: 'script', script: 'throw new Error("no luck")' }] });
    const args = [mainOf('cli'), '--data-dir', world.directory.path, 'run', '-', '--watch'];
    const { stdout, code } = await runCommand(process.execPath, args, { stdin: document });
    expect(code).toBe(1);
    expect(stdout).toContain('no luck');
  });
});

describe('the example agent', () => {
  it('serves tool:acme/lookup to a run', async () => {
    const client = world.client(mesh.url, 'acme', 'operator');
    const token = await world.token('acme', 'operator');
    const agent = startCommand(process.execPath, ['--no-warnings', example, mesh.registry, token]);
    try {
      const serving = async () =>
        (await client.agents()).some(({ capabilities }) =>
          capabilities.some(({ name }) => name === 'tool:acme/lookup'),
        );
      await until(`the agent serves (${agent.stderr()})`, serving);
      const run = await client.submitRun({
        input: { article: 'tea' },
        tasks: [{ id: 'look', uses: 'tool:acme/lookup', input: '${{ input }}' }],
        output: '${{ tasks.look.output }}',
      });
      const ended = await client.waitForRun(run.id, { timeoutMs: 20_000 });
      expect(ended.tasks?.[0]).toMatchObject({ state: 'SUCCEEDED', uses: 'tool:acme/lookup' });
      expect(ended.output).toEqual({ article: 'tea', price: 3.2, attempt: 1 });
    } finally {
      agent.child.kill('SIGTERM');
      expect((await agent.ended).code).toBe(0);
    }
  });
});

describe('the end', () => {
  it('SIGTERM drains and leaves with status 0; the data directory stays', async () => {
    const run = await submitted(sleeper);
    expect(await mesh.stop(), mesh.stderr()).toBe(0);
    await access(join(world.directory.path, 'keys/trust.jws'));
    const gone = await cogmesh('whoami');
    expect(gone).toMatchObject({ code: 1, stderr: expect.stringContaining('unavailable') });
    mesh = await startUp(world);
    expect(await json('run', run.id)).toMatchObject({ state: 'RUNNING', tasks: [{ id: 'nap', state: 'WAITING' }] });
    expect(await json('cancel', run.id)).toMatchObject({ id: run.id });
  });
});
