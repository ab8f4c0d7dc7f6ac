/** A stream that was let in ends at the sidecar when its right does, and the service sees it end. */
import { schedulerV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { SidecarWorld } from './sidecar-world.js';

let world: SidecarWorld;
beforeEach(async () => {
  world = await SidecarWorld.open();
});
afterEach(() => world.close());

/** Reads slowly enough that the stream outlasts what the test does to it. */
async function watch(): Promise<{ readonly ended: Promise<string> }> {
  const metadata = await world.permit({
    method: '/cogmesh.scheduler.v1.SchedulerService/WatchRun',
    access: [{ action: 'read', resource: '/runs/run_1' }],
  });
  const stream = world.client(schedulerV1.SchedulerService).watchRun({ runId: 'run_1' }, { metadata });
  const events = stream[Symbol.asyncIterator]();
  await events.next();
  const ended = Promise.withResolvers<string>();
  // Nothing more is read: the end arrives at the client whatever waits before it.
  const drain = async (): Promise<string> => {
    for (;;) if ((await events.next()).done === true) return 'complete';
  };
  const begin = () =>
    drain().then(ended.resolve, (thrown: unknown) =>
      ended.resolve(thrown instanceof CogmeshError ? thrown.code : String(thrown)),
    );
  await expect.poll(() => world.guarded.calls.length).toBe(1);
  return {
    get ended() {
      void begin();
      return ended.promise;
    },
  };
}

it('when new policies deny it', async () => {
  const stream = await watch();
  world.bundles.policies = { policies: [] };
  world.bundles.epoch += 1;
  await expect.poll(() => world.guarded.aborted).toBe(1);
  expect(await stream.ended).toBe('permission_denied');
});

it('when the policies are too old', async () => {
  const stream = await watch();
  world.bundles.answers = false;
  await expect.poll(() => world.guarded.aborted, { timeout: 5_000 }).toBe(1);
  expect(await stream.ended).toBe('stale_policy');
});
