/**
 * Writes everything that is generated and checked in: code from proto/, docs/configuration.md from the settings in the
 * code, the JSON Schemas of policies, docs/openapi.json from the gateway. Needs a build; `npm run verify` fails when the result differs from the checkout.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { policySetJsonSchema, testTableJsonSchema } from '@cogmesh/policy-core';
import { configurationPage } from './configuration-page.mjs';

const root = resolve(import.meta.dirname, '../..');

function run(file, ...args) {
  const { status } = spawnSync(join(root, 'node_modules/.bin', file), args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) throw new Error(`${file} ${args.join(' ')} ended with status ${status}`);
}

run('buf', 'generate');
writeFileSync(join(root, 'docs/configuration.md'), await configurationPage());
for (const [file, schema] of [
  ['policy-set', policySetJsonSchema()],
  ['policy-tests', testTableJsonSchema()],
])
  writeFileSync(join(root, `docs/${file}.schema.json`), `${JSON.stringify(schema, null, 2)}\n`);
run('node', 'apps/gateway/dist/generate-openapi.js');
