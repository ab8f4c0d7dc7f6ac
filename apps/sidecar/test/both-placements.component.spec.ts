/** One enforcement in two places: the same calls, refused and let through alike by a sidecar and inside the service. */
import { inferenceV1, registryV1, schedulerV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { SidecarWorld } from './sidecar-world.js';

const submit = `/${schedulerV1.SchedulerService.typeName}/SubmitRun`;
const getRun = `/${schedulerV1.SchedulerService.typeName}/GetRun`;
const readRun = [{ action: 'read', resource: '/runs/run_1' }];

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    if (error instanceof CogmeshError) return error.code;
    throw error;
  }
  return 'answered';
}

describe.each([
  ['in a process of its own', () => SidecarWorld.open()],
  ['in the process of the service', () => SidecarWorld.openInProcess()],
])('enforcement %s', (_placement, open) => {
  let world: SidecarWorld;
  const scheduler = () => world.client(schedulerV1.SchedulerService);

  beforeAll(async () => {
    world = await open();
  });
  afterAll(() => world.close());
  afterEach(() => {
    world.guarded.calls.length = 0;
  });

  describe('lets through', () => {
    it('who may, and the service knows who it is whatever else the headers say', async () => {
      const metadata = { ...(await world.permit()), 'x-cogmesh-subject': 'root', remote_user: 'root' };
      expect(await codeOf(scheduler().submitRun({ documentJson: 'abc' }, { metadata }))).toBe('answered');
      expect(world.guarded.calls[0]?.caller).toMatchObject({
        kind: 'subject',
        subject: { organisation: 'acme', sub: 'ann', roles: ['analyst'] },
      });
    });

    it('the stream of an agent, which the service authenticates itself', async () => {
      async function* hello() {
        yield {};
      }
      const answers = [];
      const agents = world.client(registryV1.AgentService);
      for await (const answer of agents.connect(hello(), { deadlineMs: 10_000 })) answers.push(answer);
      expect(answers).toHaveLength(1);
      expect(world.guarded.calls[0]?.caller).toEqual({ kind: 'anonymous' });
    });

    it('a service in the table, with its identity alone', async () => {
      expect(await codeOf(scheduler().renewLeases({}, { metadata: await world.serviceToken('registry') }))).toBe(
        'answered',
      );
    });

    it('the same permit again where nothing is changed by it', async () => {
      const metadata = await world.permit({ method: getRun, access: readRun });
      const client = scheduler();
      const read = () => codeOf(client.getRun({ runId: 'run_1' }, { metadata }));
      expect([await read(), await read()]).toEqual(['answered', 'answered']);
    });
  });

  describe('refuses, before the service sees anything of it', () => {
    it('a permit for a stream, for another stream', async () => {
      const metadata = await world.permit({ method: submit });
      const stream = world.client(inferenceV1.InferenceService).inferStream(
        (async function* () {
          yield {};
        })(),
        { metadata },
      );
      expect(await codeOf(stream[Symbol.asyncIterator]().next())).toBe('invalid_permit');
      expect(world.guarded.calls).toHaveLength(0);
    });

    const cases: readonly [string, () => Promise<{ authorization: string }>, string][] = [
      ['a permit without the role', () => world.permit({ roles: [] }), 'permission_denied'],
      [
        'a permit for a model that no rule allows',
        () => world.permit({ access: [{ action: 'infer', resource: '/models/globex/x' }] }),
        'permission_denied',
      ],
      ['a permit for another method', () => world.permit({ method: getRun }), 'invalid_permit'],
      ['a permit for another service', () => world.permit({ audience: 'registry' }), 'invalid_permit'],
      ["a service's own token where a person must be named", () => world.serviceToken('gateway'), 'permission_denied'],
      ['garbage', () => Promise.resolve({ authorization: 'Bearer a.b.c' }), 'invalid_token'],
    ];
    it.each(cases)('%s', async (_name, credentials, code) => {
      expect(await codeOf(scheduler().submitRun({ documentJson: 'x' }, { metadata: await credentials() }))).toBe(code);
      expect(world.guarded.calls).toHaveLength(0);
    });

    it('no credentials at all', async () => {
      expect(await codeOf(scheduler().submitRun({ documentJson: 'x' }))).toBe('unauthenticated');
    });

    it('says which rule and what to do, in the error a client throws', async () => {
      const refused = scheduler().submitRun(
        { documentJson: 'x' },
        { metadata: await world.permit({ roles: ['guest'] }) },
      );
      await expect(refused).rejects.toMatchObject({
        details: { decision: 'no_matching_allow', resource: '/runs', action: 'create' },
      });
    });

    it('a permit that was used, at once and later', async () => {
      const metadata = await world.permit();
      const client = scheduler();
      const codes = await Promise.all(
        [1, 2, 3].map(() => codeOf(client.submitRun({ documentJson: 'x' }, { metadata }))),
      );
      expect(codes.sort()).toEqual(['answered', 'replayed_permit', 'replayed_permit']);
      expect(world.guarded.calls).toHaveLength(1);
    });

    it('everything while policies are stale, and nothing once they are fresh again', async () => {
      world.bundles.answers = false;
      const call = async () =>
        codeOf(
          scheduler().getRun({ runId: 'run_1' }, { metadata: await world.permit({ method: getRun, access: readRun }) }),
        );
      await expect.poll(call, { timeout: 5_000 }).toBe('stale_policy');
      world.bundles.answers = true;
      await expect.poll(call, { timeout: 5_000 }).toBe('answered');
    });

    it('what new policies deny, within the next question for them', async () => {
      const call = async () =>
        codeOf(
          scheduler().getRun({ runId: 'run_1' }, { metadata: await world.permit({ method: getRun, access: readRun }) }),
        );
      expect(await call()).toBe('answered');
      const before = world.bundles.policies;
      world.bundles.policies = { policies: [] };
      world.bundles.epoch += 1;
      await expect.poll(call).toBe('permission_denied');
      world.bundles.policies = before;
      world.bundles.epoch += 1;
      await expect.poll(call).toBe('answered');
    });
  });
});
