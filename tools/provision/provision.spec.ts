import { mkdtempSync, rmSync, writeFileSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { findPostgres, findRabbit } from '@cogmesh/backends';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ensureBackends, findPostgresBin, findRabbitServer, installScript } from './provision.mjs';

let said = '';
const output = new Writable({
  write(chunk, _, done) {
    said += String(chunk);
    done();
  },
});
const given = { COGMESH_TEST_AMQP_URL: 'amqp://given', COGMESH_TEST_DATABASE_URL: 'postgres://given' };

beforeEach(() => (said = ''));

test('what the environment provides is not looked for', async () => {
  const plan = await ensureBackends({ environment: { ...given, PATH: '' }, output });
  expect(plan.map(({ state }) => state)).toEqual(['environment', 'environment']);
  expect(said).toBe('');
});

test('finds what the backends room finds', () => {
  const path = process.env['PATH'] ?? '';
  expect(findRabbitServer({ PATH: path })).toBe(findRabbit(path)?.server);
  expect(`${findPostgresBin({ PATH: path })}/initdb`).toBe(findPostgres(path)?.initdb);
});

describe('nothing installed', () => {
  const nowhere = { rabbit: [], postgres: '/nonexistent' };
  let bin: string;
  beforeEach(() => (bin = mkdtempSync(join(tmpdir(), 'cogmesh-provision-'))));
  afterEach(() => rmSync(bin, { recursive: true, force: true }));

  const program = (name: string, script: string) =>
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const missing = (extra: object = {}) => ({ environment: { PATH: bin, ...extra }, places: nowhere, output });

  test('without apt-get it says what to do instead', async () => {
    await expect(ensureBackends({ ...missing(), yes: true })).rejects.toThrow(
      /RabbitMQ and PostgreSQL not found.*no apt-get.*COGMESH_TEST_AMQP_URL and COGMESH_TEST_DATABASE_URL/,
    );
  });

  test('says what it would run and does nothing when nobody can be asked', async () => {
    program('apt-get', `echo called >> ${bin}/calls`);
    await expect(ensureBackends({ ...missing(), input: { isTTY: false } })).rejects.toThrow(/not installed/);
    expect(said).toContain('apt-get update && apt-get install -y --no-install-recommends rabbitmq-server postgresql');
    expect(existsSync(join(bin, 'calls'))).toBe(false);
  });

  test('names only what is missing', async () => {
    program('apt-get', 'exit 0');
    const options = { ...missing({ COGMESH_TEST_DATABASE_URL: 'postgres://given' }), input: { isTTY: false } };
    await expect(ensureBackends(options)).rejects.toThrow(/^RabbitMQ not installed\. Install rabbitmq-server yourself/);
  });
});

describe('the script that runs as root', () => {
  const policy = (root: string) => join(root, 'policy-rc.d');
  const script = (root: string) => installScript.replace('/usr/sbin/policy-rc.d', policy(root));
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'cogmesh-provision-'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  async function run(aptGet: string): Promise<{ code: number; seen: string }> {
    const { spawnSync } = await import('node:child_process');
    writeFileSync(join(root, 'apt-get'), `#!/bin/sh\ncat ${policy(root)} >> ${root}/seen\n${aptGet}\n`, {
      mode: 0o755,
    });
    const env = { PATH: `${root}:/usr/bin:/bin` };
    const { status } = spawnSync('sh', ['-c', script(root), 'test', 'some-package'], { env });
    const { readFileSync } = await import('node:fs');
    return { code: status ?? -1, seen: readFileSync(join(root, 'seen'), 'utf8') };
  }

  test('keeps services from starting while it installs, and leaves nothing behind', async () => {
    const { code, seen } = await run('exit 0');
    expect(code).toBe(0);
    expect(seen).toContain('exit 101');
    expect(existsSync(policy(root))).toBe(false);
  });

  test('leaves nothing behind when the installation fails', async () => {
    expect((await run('exit 100')).code).toBe(100);
    expect(existsSync(policy(root))).toBe(false);
  });

  test('a policy that was there stays as it was', async () => {
    writeFileSync(policy(root), 'of the operator');
    const { seen } = await run('exit 0');
    expect(seen).toContain('of the operator');
    const { readFileSync } = await import('node:fs');
    expect(readFileSync(policy(root), 'utf8')).toBe('of the operator');
  });
});
