/** The commands that change policies, against a gateway that answers from a table and remembers what it was sent. */
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { runProgram } from '../program.js';

const admins = { id: 'admins', policy: "role == 'admin'", permissions: ['*'], resources: ['/**'] };
const readers = { id: 'readers', policy: "role == 'reader'", permissions: ['read'], resources: ['/runs/**'] };
const live = { organisation: 'acme', policies: [admins], roles: {}, grants: ['a.b.c'] };
const flip = { organisation: 'acme', subject: 'ada', action: 'read', resource: '/runs', owner: 'acme' };
const lost = {
  ...flip,
  liveCode: 'allowed',
  candidateCode: 'no_grant',
  liveReason: '',
  candidateReason: 'x',
  count: 2,
};
const candidate = { id: 'c1', basedOnEpoch: 7, writtenBy: 'ada', writtenAt: null, note: '', compared: 4, skipped: 0 };

const answers: Record<string, unknown> = {
  'GET /v1/policies': { epoch: 7, policySet: live },
  'GET /v1/whoami': { organisation: 'acme' },
  'PUT /v1/policies': { epoch: 8 },
  'PUT /v1/policies/candidate': { ...candidate, flipsToDeny: 0, flipsToAllow: 0, flips: [] },
  'GET /v1/policies/candidate': {
    candidate: { ...candidate, flipsToDeny: 2, flipsToAllow: 0, flips: [lost] },
    policySet: live,
  },
  'POST /v1/policies/candidate/promote': { epoch: 8 },
  'GET /v1/policies/versions/3': { version: {}, policySet: { ...live, policies: [readers], grants: ['old.old.old'] } },
  'POST /v1/policies/rollback': { epoch: 8 },
  'POST /v1/policies/simulate': {
    ...{ replayed: 5, unchanged: 3, undecidable: 0, flipsNotListed: 0, truncated: false },
    ...{ flipsToDeny: 2, flipsToAllow: 0, flips: [lost] },
  },
};

let dir: string;
let server: Server;
let sent: { line: string; body: unknown; ifMatch: string | undefined }[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cogmesh-cli-'));
  sent = [];
  server = createServer((request, response) => {
    const line = `${request.method ?? ''} ${request.url ?? ''}`;
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      const body = text === '' ? undefined : (JSON.parse(text) as unknown);
      sent.push({ line, body, ifMatch: request.headers['if-match'] });
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(answers[line.split('?')[0] ?? ''] ?? {}));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(async () => {
  vi.restoreAllMocks();
  server.closeAllConnections();
  server.close();
  await rm(dir, { recursive: true });
});

async function policy(...argv: readonly string[]): Promise<{ readonly code: number; readonly out: string }> {
  const lines: string[] = [];
  const keep = (text: string) => void lines.push(text);
  vi.spyOn(console, 'log').mockImplementation(keep);
  vi.spyOn(console, 'error').mockImplementation(keep);
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const args = argv.map((one) => (one.endsWith('.yaml') ? join(dir, one) : one));
  const code = await runProgram(['node', 'cogmesh', '--url', url, '--token', 't', 'policy', ...args], {});
  return { code, out: stripVTControlCharacters(lines.join('\n')).replaceAll(`${dir}/`, '') };
}
const write = (file: string, value: unknown) => writeFile(join(dir, file), JSON.stringify(value));
const changed = () => sent.filter(({ line }) => !line.startsWith('GET'));
const next = { organisation: 'acme', policies: [admins, readers] };

describe('push', () => {
  it('shows the difference, keeps the grants, and guards by the epoch it was shown against', async () => {
    await write('next.yaml', next);
    const { code, out } = await policy('push', 'next.yaml', '--note', 'readers');
    expect(code).toBe(0);
    expect(out).toContain('epoch 7, in force → next.yaml');
    expect(out).toMatch(/\+ policy readers +widens +allows read on \/runs\/\*\* when role == 'reader'/);
    expect(out).toContain('1 difference: 1 added. It only gives rights.');
    expect(out).toContain('✓ epoch 8 is in force\n  back to what it was: cogmesh policy rollback 7');
    expect(changed()).toMatchObject([
      { line: 'PUT /v1/policies?note=readers', ifMatch: '"7"', body: { grants: ['a.b.c'] } },
    ]);
  });

  it('changes nothing on a dry run, with lint errors, or with a test that fails', async () => {
    await write('next.yaml', next);
    expect((await policy('push', 'next.yaml', '--dry-run')).out).toContain('nothing was changed');
    await write('wide.yaml', { policies: [{ id: 'all', permissions: ['*'], resources: ['/**'] }] });
    const linted = await policy('push', 'wide.yaml');
    expect(linted.code).toBe(1);
    expect(linted.out).toContain('error over-broad all');
    const input = { subject: { organisation: 'acme' }, action: 'read', resource: '/runs' };
    await write('tests.yaml', { policies: { acme: 'none.yaml' }, tests: [{ name: 'x', input, want: 'allow' }] });
    const tested = await policy('push', 'next.yaml', '--test', 'tests.yaml');
    expect(tested.code).toBe(1);
    expect(tested.out).toContain('tests failed; nothing was pushed');
    expect(changed()).toEqual([]);
    expect((await policy('push', 'wide.yaml', '--force')).code).toBe(0);
    expect(changed()).toHaveLength(1);
  });

  it('puts a candidate beside the set in force', async () => {
    await write('next.yaml', next);
    const { out } = await policy('push', 'next.yaml', '--shadow');
    expect(out).toContain('✓ candidate c1 is evaluated beside the set in force');
    expect(changed().map(({ line }) => line)).toEqual(['PUT /v1/policies/candidate']);
  });
});

it('rolls back after showing what that means, the grants untouched', async () => {
  const { out } = await policy('rollback', '3');
  expect(out).toContain('epoch 7, in force → epoch 3 again');
  expect(out).not.toContain('grant ');
  expect(out).toContain('✓ epoch 8 is in force, with the policies of 3');
  expect(changed()).toMatchObject([{ line: 'POST /v1/policies/rollback', ifMatch: '"7"', body: { toEpoch: 3 } }]);
});

it('promotes a candidate that flips decisions only when it is told to', async () => {
  const asked = await policy('candidate', 'promote');
  expect(asked.code).toBe(1);
  expect(asked.out).toMatch(/allow → deny +2 +ada of acme/);
  expect(asked.out).toContain('it flips 2 decisions; promote it with --force');
  expect(changed()).toEqual([]);
  expect((await policy('candidate', 'promote', '--force')).out).toContain('✓ epoch 8 is in force');
  expect(changed()).toMatchObject([{ body: { candidate: 'c1' }, ifMatch: '"7"' }]);
});

it('simulates a file, and fails when something flips if it is to', async () => {
  await write('next.yaml', next);
  const { code, out } = await policy('simulate', 'next.yaml', '--from', '2026-01-01T00:00:00Z', '--exit-code');
  expect(code).toBe(1);
  expect(out).toMatch(/5 recorded decisions replayed: 2 that were allowed would be denied$/);
  expect(changed()[0]?.body).toMatchObject({ from: '2026-01-01T00:00:00.000Z', policySet: { grants: ['a.b.c'] } });
});

it('compares with an epoch', async () => {
  const { out } = await policy('diff', '--epoch', '3');
  expect(out).toContain('epoch 3 → epoch 7, in force');
  expect(out).toMatch(/− policy readers .*\n\+ policy admins /);
});
