/** While the policies are stale plain HTTP gets a 503 that says when to come back, and no 403. */
import { connect, type IncomingHttpHeaders } from 'node:http2';
import { expect, it } from 'vitest';
import { SidecarWorld } from './sidecar-world.js';

const path = '/cogmesh.scheduler.v1.SchedulerService/SubmitRun';

async function ask(world: SidecarWorld): Promise<IncomingHttpHeaders> {
  const session = connect(`http://${world.address}`);
  const { authorization } = await world.permit();
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/json',
    authorization,
  });
  const answered = Promise.withResolvers<IncomingHttpHeaders>();
  stream.once('response', answered.resolve);
  stream.once('error', answered.reject);
  stream.end();
  return answered.promise.finally(() => session.destroy());
}

it('a stale sidecar answers 503 with Retry-After, and serves again when it is fresh', async () => {
  const world = await SidecarWorld.open();
  try {
    expect((await ask(world))[':status']).not.toBe(503);
    world.bundles.answers = false;
    await expect.poll(async () => (await ask(world))[':status'], { timeout: 5_000 }).toBe(503);
    expect(await ask(world)).toMatchObject({ 'retry-after': '1', 'content-type': 'application/problem+json' });
    world.bundles.answers = true;
    await expect.poll(async () => (await ask(world))[':status'], { timeout: 5_000 }).not.toBe(503);
  } finally {
    await world.close();
  }
});
