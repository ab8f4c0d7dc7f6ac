/** One service in several places: the scheduler's, whose contract says which calls may be repeated. */
import { schedulerV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { afterEach, expect, it } from 'vitest';
import { createClient, implement, openChannel, serveRpc, type Channel, type RpcServer } from './index.js';

const opened: (RpcServer | Channel)[] = [];
afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await ('stop' in each ? each.stop(100) : each.close());
});

type Answer = (what: string) => CogmeshError | undefined;
const nothing: Answer = () => undefined;

/** Answers with its own name, unless `refusal` says otherwise. */
async function place(name: string, calls: string[], refusal: Answer = nothing): Promise<RpcServer> {
  const answer = async (what: string) => {
    calls.push(`${name} ${what}`);
    const error = refusal(what);
    if (error) throw error;
    return { run: { id: name } };
  };
  const unused = () => Promise.reject(new CogmeshError('unimplemented', 'not here'));
  const methods = Object.fromEntries(schedulerV1.SchedulerService.methods.map(({ localName }) => [localName, unused]));
  const server = await serveRpc({
    address: '127.0.0.1:0',
    services: [
      implement(schedulerV1.SchedulerService, {
        ...(methods as unknown as Parameters<typeof implement<typeof schedulerV1.SchedulerService>>[1]),
        getRun: () => answer('get'),
        submitRun: () => answer('submit'),
        watchRun: async function* () {
          await answer('watch');
          yield { event: { taskId: name } };
          if (refusal('later')) throw refusal('later');
        },
      }),
    ],
  });
  opened.push(server);
  return server;
}

function clientOf(...servers: readonly { readonly address: string }[]) {
  const channel = openChannel({ target: servers.map(({ address }) => address).join(', ') });
  opened.push(channel);
  return createClient(schedulerV1.SchedulerService, channel);
}

const away = (details = {}): CogmeshError => new CogmeshError('unavailable', 'away', details);
const nobody = { address: '127.0.0.1:1' };

it('goes round', async () => {
  const calls: string[] = [];
  const client = clientOf(await place('a', calls), await place('b', calls));
  for (let call = 0; call < 4; call += 1) await client.getRun({ runId: 'x' });
  expect(calls.toSorted()).toEqual(['a get', 'a get', 'b get', 'b get']);
});

it('asks another for what may be repeated, and leaves out for a while who did not answer', async () => {
  const calls: string[] = [];
  const client = clientOf(nobody, await place('b', calls));
  for (let call = 0; call < 4; call += 1) expect((await client.getRun({ runId: 'x' })).run?.id).toBe('b');
  for (let call = 0; call < 4; call += 1) expect((await client.submitRun({})).run?.id).toBe('b');
});

it('repeats nothing else, unless it did not begin', async () => {
  const calls: string[] = [];
  const lost = clientOf(await place('a', calls, () => away()), await place('b', calls, () => away()));
  await expect(lost.submitRun({})).rejects.toMatchObject({ code: 'unavailable' });
  expect(calls).toHaveLength(1);
  const unsent = clientOf(await place('c', calls, () => away({ unsent: true })), await place('d', calls));
  expect((await unsent.submitRun({})).run?.id).toBe('d');
});

it('takes a refusal for an answer', async () => {
  const calls: string[] = [];
  const refuse = () => new CogmeshError('not_found', 'no such run');
  const client = clientOf(await place('a', calls, refuse), await place('b', calls, refuse));
  await expect(client.getRun({ runId: 'x' })).rejects.toMatchObject({ code: 'not_found' });
  expect(calls).toHaveLength(1);
});

it('begins a stream elsewhere, and never goes on with one elsewhere', async () => {
  const calls: string[] = [];
  const client = clientOf(nobody, await place('b', calls));
  const seen: string[] = [];
  for await (const { event } of client.watchRun({ runId: 'x' })) seen.push(event?.taskId ?? '');
  expect(seen).toEqual(['b']);
  const breaking: Answer = (what) => (what === 'later' ? away() : undefined);
  const broken = clientOf(await place('c', calls, breaking), await place('d', calls, breaking));
  const watching = (async () => {
    for await (const { event } of broken.watchRun({ runId: 'x' })) seen.push(event?.taskId ?? '');
  })();
  await expect(watching).rejects.toMatchObject({ code: 'unavailable' });
  expect(seen).toHaveLength(2);
});

it('says so when nobody is there', async () => {
  await expect(clientOf(nobody, nobody).getRun({})).rejects.toMatchObject({ code: 'unavailable' });
  expect(() => openChannel({ target: ' , ' })).toThrow('address');
});
