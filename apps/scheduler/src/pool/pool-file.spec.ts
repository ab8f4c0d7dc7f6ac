import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readPoolFile } from './pool-file.js';

let dir: string;
beforeEach(async () => void (dir = await mkdtemp(join(tmpdir(), 'cogmesh-pool-'))));
afterEach(() => rm(dir, { recursive: true, force: true }));

async function read(content: unknown) {
  const path = join(dir, 'pools.json');
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
  return readPoolFile(path);
}

const local = {
  name: 'render',
  capabilities: ['tool:acme/render'],
  slotsPerAgent: 4,
  max: 2,
  process: { command: ['node', 'agent.mjs'] },
};
const cluster = {
  name: 'workers',
  capabilities: ['script'],
  slotsPerAgent: 2,
  max: 9,
  kubernetes: { namespace: 'mesh', deployment: 'worker' },
};

describe('the pool file', () => {
  it('is none when it is not named', async () => {
    expect(await readPoolFile('')).toEqual([]);
  });

  it('names pools of either kind', async () => {
    expect(await read({ pools: [local, cluster] })).toMatchObject([
      { name: 'render', min: 0, process: { environment: {}, stopGraceMs: 60_000 } },
      { name: 'workers', kubernetes: { credentials: '/var/run/secrets/kubernetes.io/serviceaccount' } },
    ]);
  });

  it('that deploy/ shows is one', async () => {
    const shown = await readFile(join(import.meta.dirname, '../../../../deploy/kubernetes/pool.yaml'), 'utf8');
    const [, content = ''] = shown.split('pools.json: |');
    expect(await read(content)).toMatchObject([{ name: 'workers', kubernetes: { deployment: 'cogmesh-worker' } }]);
    expect(shown).toContain('resourceNames: [cogmesh-worker]');
  });

  it.each<[string, unknown, RegExp]>([
    ['no JSON', '{', /cannot be read/],
    ['a misspelt field', { pools: [{ ...local, slots: 4 }] }, /slots/],
    ['neither kind', { pools: [{ ...local, process: undefined }] }, /either/],
    ['both kinds', { pools: [{ ...local, kubernetes: cluster.kubernetes }] }, /either/],
    ['a least above the most', { pools: [{ ...local, min: 3 }] }, /min is above max/],
    ['a capability twice', { pools: [local, { ...cluster, capabilities: local.capabilities }] }, /two places/],
    ['a name twice', { pools: [local, { ...cluster, name: 'render' }] }, /two pools/],
    ['a path for a name', { pools: [{ ...cluster, kubernetes: { namespace: '../x', deployment: 'w' } }] }, /namespace/],
    ['no command', { pools: [{ ...local, process: { command: [] } }] }, /command/],
  ])('with %s is refused', async (_, content, why) => {
    await expect(read(content)).rejects.toMatchObject({
      code: 'invalid_argument',
      message: expect.stringMatching(why),
    });
  });

  it('that is not there is refused', async () => {
    await expect(readPoolFile(join(dir, 'none.json'))).rejects.toMatchObject({ code: 'invalid_argument' });
  });
});
