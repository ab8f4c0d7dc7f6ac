/** One table of cases, executed through REST and through gRPC on the real gateway. */
import { CogmeshError } from '@cogmesh/errors';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { schedulingCases } from '../test/scheduling-table.js';
import { faceCases, prepare, type FaceCase, type Things } from '../test/face-table.js';
import { openFace, type FaceName } from '../test/faces.js';
import { GatewayWorld } from '../test/gateway-world.js';

const allCases = [...faceCases, ...schedulingCases];

let world: GatewayWorld;
let things: Things;

beforeAll(async () => {
  world = await GatewayWorld.start({ environment: { COGMESH_BLOB_BYTES: '262144' } });
  things = await prepare(world);
});
afterAll(() => world.stop());

async function outcome(name: FaceName, { as = 'member', call }: FaceCase): Promise<{ value?: unknown; code?: string }> {
  const face = await openFace(name, world, as);
  try {
    return { value: await call(face, things) };
  } catch (thrown) {
    if (!(thrown instanceof CogmeshError)) throw thrown;
    return { code: thrown.code };
  } finally {
    face.close();
  }
}

describe.each<FaceName>(['REST', 'gRPC'])('%s', (name) => {
  it.each(allCases.map((one) => [one.name, one] as const))('%s', async (_, one) => {
    const found = await outcome(name, one);
    if (one.code === undefined) expect(found).toMatchObject({ value: one.want });
    else expect(found).toEqual({ code: one.code });
  });
});

it('answers reads with the very same values on both faces', async () => {
  const reads = allCases.filter(({ name, code }) => code === undefined && !/^(submit|upload|cancel|steer)/.test(name));
  expect(reads.length).toBeGreaterThan(10);
  for (const one of reads) expect(await outcome('gRPC', one), one.name).toEqual(await outcome('REST', one));
});
