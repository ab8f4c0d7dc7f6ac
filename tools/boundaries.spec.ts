/** The import table is enforced: a forbidden import, of each kind that matters, fails lint; an allowed one passes. */
import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import { ESLint } from 'eslint';
import { beforeAll, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '..');
let eslint: ESLint;

beforeAll(() => {
  // The rule reads Nx's cached project graph.
  const env = { ...process.env, NX_DAEMON: 'false' };
  execFileSync(resolve(root, 'node_modules/.bin/nx'), ['show', 'projects', '--json'], { cwd: root, env });
  eslint = new ESLint({ cwd: root });
}, 60_000);

/** Lints code as if it stood in a real file, so that the project is known and types resolve. */
async function boundaryErrors(file: string, code: string): Promise<number> {
  const [result] = await eslint.lintText(code, { filePath: resolve(root, file) });
  return (result?.messages ?? []).filter(({ ruleId }) => ruleId === '@nx/enforce-module-boundaries').length;
}

const forbidden = [
  ['an app imports another app', 'apps/gateway/src/index.ts', '@cogmesh/scheduler'],
  ['an app imports the core of another scope', 'apps/gateway/src/index.ts', '@cogmesh/scheduling-core'],
  ['the command line imports another core', 'apps/cli/src/index.ts', '@cogmesh/scheduling-core'],
  ['the command line imports a service', 'apps/cli/src/index.ts', '@cogmesh/policy'],
  ['a core imports the contracts', 'libs/scheduling-core/src/index.ts', '@cogmesh/contracts'],
  ['a core imports a platform lib', 'libs/policy-core/src/index.ts', '@cogmesh/database'],
  ['a core imports a framework', 'libs/registry-core/src/index.ts', '@nestjs/common'],
  ['a platform lib imports a core', 'libs/bus/src/index.ts', '@cogmesh/tensors'],
  ['an edge lib imports Nest', 'libs/identity/src/index.ts', '@nestjs/common'],
  ['the SDK imports a core', 'libs/sdk/src/index.ts', '@cogmesh/scheduling-core'],
  ['the contracts import anything of ours', 'libs/contracts/src/index.ts', '@cogmesh/errors'],
  ['the vocabulary imports anything of ours', 'libs/errors/src/index.ts', '@cogmesh/config'],
] as const;

it.each(forbidden)('%s: refused', async (_what, file, imported) => {
  expect(await boundaryErrors(file, `import * as x from '${imported}';\nexport const y = x;\n`)).toBeGreaterThan(0);
});

const allowed = [
  ['a scheduler imports its core', 'apps/scheduler/src/index.ts', '@cogmesh/scheduling-core'],
  ['the mesh imports an app', 'apps/mesh/src/index.ts', '@cogmesh/gateway'],
  ['enforcement imports policy-core', 'libs/enforcement/src/index.ts', '@cogmesh/policy-core'],
  ['the command line imports policy-core', 'apps/cli/src/index.ts', '@cogmesh/policy-core'],
] as const;

it.each(allowed)('%s: allowed', async (_what, file, imported) => {
  expect(await boundaryErrors(file, `import * as x from '${imported}';\nexport const y = x;\n`)).toBe(0);
});
