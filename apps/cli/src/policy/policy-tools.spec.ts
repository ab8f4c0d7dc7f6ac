/** The policy commands that need no mesh, on real files: what they say, where they point, how they exit. */
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { runProgram } from '../program.js';
import { locatedText } from './located-file.js';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cogmesh-cli-'));
  await writeFile(
    join(dir, 'acme.yaml'),
    `organisation: acme
roles: { admin: {}, reader: {} }
policies:
  - id: admins
    policy: "role == 'admin'"
    permissions: ['*']
    resources: ['/**']
  - { id: open, permissions: [read], resources: [/runs] }
`,
  );
  await writeFile(
    join(dir, 'tests.yaml'),
    `policies: { acme: acme.yaml }
given: { subject: { organisation: acme }, action: read, resource: /runs }
tests:
  - { name: everybody reads, input: {}, want: allow, reason: open }
  - { name: nobody writes, input: { action: write }, want: deny }
`,
  );
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(dir, { recursive: true });
});

/** Arguments that name a file of the folder are completed. */
async function policy(...argv: readonly string[]): Promise<{ readonly code: number; readonly out: string }> {
  const lines: string[] = [];
  const keep = (text: string) => void lines.push(text);
  vi.spyOn(console, 'log').mockImplementation(keep);
  vi.spyOn(console, 'error').mockImplementation(keep);
  const args = argv.map((one) => (/\.(yaml|json)$/.test(one) ? join(dir, one) : one));
  const code = await runProgram(['node', 'cogmesh', 'policy', ...args], {});
  return { code, out: stripVTControlCharacters(lines.join('\n')).replaceAll(`${dir}/`, '') };
}

describe('validate', () => {
  it('says what is in a good one', async () => {
    expect(await policy('validate', 'acme.yaml')).toEqual({ code: 0, out: '✓ acme.yaml  acme: 2 policies, 2 roles' });
  });

  it('points at each mistake, inside a condition too', async () => {
    await writeFile(
      join(dir, 'bad.json'),
      `[
  { "policy": "org_id == 'acme' && rol == 'x'", "permissions": ["read"], "resources": ["/a", "/b/../c"] },
  { "permissions": ["read"] }
]`,
    );
    const { code, out } = await policy('validate', 'bad.json', 'acme.yaml');
    expect(code).toBe(1);
    expect(out).toContain('bad.json:2:36  error unknown_variable  [0].policy\n  Unknown variable: rol');
    expect(out).toMatch(/ {2}2 │ {3}\{ "policy": "org_id == 'acme' && rol.*\n {4}│ {36}\^/);
    expect(out).toContain('bad.json:2:94  error invalid_glob  [0].resources[1]');
    expect(out).toContain('bad.json:3:3  error wrong_type  [1].resources\n  is missing');
    expect(out).toContain('✗ bad.json  3 problems\n✓ acme.yaml');
  });

  it('tells what is no YAML, and what is not there', async () => {
    await writeFile(join(dir, 'bad.yaml'), 'a: 1\na: 2\n');
    expect((await policy('validate', 'bad.yaml')).out).toMatch(/neither YAML nor JSON.*\n {2}bad\.yaml:2:1: Map keys/);
    expect((await policy('validate', 'none.yaml')).out).toContain('cannot read none.yaml');
  });

  it('answers programs in JSON', async () => {
    const { files } = JSON.parse((await policy('validate', 'acme.yaml', '--json')).out) as { files: object[] };
    expect(files).toEqual([{ file: 'acme.yaml', valid: true, issues: [] }]);
  });
});

describe('lint', () => {
  it('shows what it found and what to do; warnings fail when they are to', async () => {
    const { code, out } = await policy('lint', 'acme.yaml');
    expect(code).toBe(0);
    expect(out).toContain('acme.yaml:8:5  warning over-broad open  policies[1].policy\n  it has no condition');
    expect(out).toContain('→ add a condition');
    expect(out).toContain('! acme.yaml  2 warnings');
    expect((await policy('lint', '--strict', 'acme.yaml')).code).toBe(1);
  });

  it('keeps silent about what is meant', async () => {
    const { code, out } = await policy(
      'lint',
      'acme.yaml',
      '--strict',
      '--ignore',
      'over-broad:open',
      'cross-organisation',
    );
    expect({ code, out }).toEqual({ code: 0, out: '✓ acme.yaml  nothing found' });
    expect((await policy('lint', 'acme.yaml', '--ignore', 'typo')).out).toContain('not "typo"');
  });
});

describe('test', () => {
  it('counts what passed, and names the rules that no test matches', async () => {
    const { code, out } = await policy('test', 'tests.yaml');
    expect({ code, out }).toEqual({
      code: 0,
      out: '✓ tests.yaml  2 tests\n  no test matches this of acme: admins\n\n2 tests passed',
    });
  });

  it('shows a failure with its place and what each rule did', async () => {
    await writeFile(
      join(dir, 'tests.yaml'),
      `policies: { acme: acme.yaml }
tests:
  - name: readers write
    input: { subject: { organisation: acme, roles: [reader] }, action: write, resource: /runs }
    want: allow
`,
    );
    const { code, out } = await policy('test', 'tests.yaml');
    expect(code).toBe(1);
    expect(out).toContain(
      '✗ readers write  tests.yaml:3:11\n    wanted allow, got deny\n    no policy of acme allows write',
    );
    expect(out).toMatch(/○ skipped +allow +acme\/admins +condition false with every role \(reader\)/);
    expect(out).toMatch(/1 of 1 failed$/);
  });

  it('points at what is wrong in a table', async () => {
    await writeFile(join(dir, 'tests.yaml'), 'policies: {}\ntests:\n  - { name: x, input: {}, wnat: allow }\n');
    const { code, out } = await policy('test', 'tests.yaml');
    expect(code).toBe(1);
    expect(out).toContain('tests.yaml:3:33: tests[0].wnat: unknown field');
    expect(out).toContain('tests.yaml:3:5: tests[0].want:');
  });
});

describe('diff of two files', () => {
  it('says what changes and what that means', async () => {
    await writeFile(
      join(dir, 'next.yaml'),
      `organisation: acme
roles: { admin: {}, reader: {} }
policies:
  - { id: admins, policy: "role == 'admin'", permissions: [read], resources: ['/**'] }
`,
    );
    const { code, out } = await policy('diff', 'acme.yaml', 'next.yaml', '--exit-code');
    expect(code).toBe(1);
    expect(out.split('\n')).toEqual([
      'acme.yaml → next.yaml',
      '',
      expect.stringMatching(/^− policy open +narrows +allows read on \/runs to everybody$/),
      expect.stringMatching(/^~ policy admins +changes who may$/),
      '    permissions  − *',
      '                 + read',
      '',
      '2 differences: 1 removed, 1 changed. It may give rights and take some away.',
    ]);
    expect((await policy('diff', 'acme.yaml', 'acme.yaml', '--exit-code')).code).toBe(0);
  });
});

describe('governance', () => {
  it('prints policies about the work that is named', async () => {
    const { code, out } = await policy('governance', '--yaml', '--work', 'deployment=/tools/acme/deploy-*');
    expect(code).toBe(0);
    await writeFile(join(dir, 'governance.yaml'), out);
    expect(out).toContain('- /tools/acme/deploy-*');
    expect((await policy('lint', '--strict', 'governance.yaml')).out).toBe('✓ governance.yaml  nothing found');
    expect((await policy('governance', '--work', 'deploy=/x')).out).toContain('not "deploy=/x"');
  });
});

it('the example of the guide passes, and lint finds only what it means', async () => {
  const examples = new URL('../../../../docs/examples/policies/', import.meta.url).pathname;
  await cp(examples, dir, { recursive: true });
  expect((await policy('test', 'acme.tests.yaml')).out).toMatch(/7 tests passed$/);
  const linted = await policy('lint', '--strict', 'acme.yaml', '--ignore', 'cross-organisation:partners');
  expect(linted).toEqual({ code: 0, out: '✓ acme.yaml  nothing found' });
});

it('finds values under names with dots, and what they are missing in', () => {
  const file = locatedText('x', 'roles:\n  a.b: { inherits: [c] }\n  a:\n    inherits: []\n');
  expect(file.locate('roles.a.b.inherits[0]')).toEqual({ line: 2, column: 21 });
  expect(file.locate('roles.a.inherits')).toEqual({ line: 4, column: 5 });
  expect(file.locate('roles.a.nothing[3]')).toEqual({ line: 3, column: 3 });
  expect(file.locate('')).toEqual({ line: 1, column: 1 });
});
