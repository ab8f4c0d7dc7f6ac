/** The blob service as the mesh's own services meet it: identity, task grants, and whose bytes they may have. */
import { gatewayV1 } from '@cogmesh/contracts';
import { CogmeshError, type ErrorCode } from '@cogmesh/errors';
import { createClient, openChannel, type Channel, type Client } from '@cogmesh/rpc';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prepare, type Things } from '../test/face-table.js';
import { GatewayWorld } from '../test/gateway-world.js';

let world: GatewayWorld;
let things: Things;
const channels: Channel[] = [];

beforeAll(async () => {
  world = await GatewayWorld.start({ environment: { COGMESH_BLOB_BYTES: '262144' } });
  things = await prepare(world);
});
afterAll(async () => {
  for (const channel of channels) channel.close();
  await world.stop();
});

async function as(service: string): Promise<Client<typeof gatewayV1.BlobService>> {
  const identity = await world.identity(service);
  const channel = openChannel({
    target: world.grpc,
    authorize: async () => `Bearer ${await identity.serviceToken('gateway')}`,
  });
  channels.push(channel);
  return createClient(gatewayV1.BlobService, channel);
}

async function grant(
  blobs: readonly string[],
  options: { organisation?: string; signer?: string; expiresInMs?: number } = {},
): Promise<string> {
  const signer = await world.identity('scheduler');
  const attempt = {
    attemptId: 'a'.repeat(32),
    capability: 'script',
    inputSha256: '0'.repeat(64),
    blobs,
    organisation: options.organisation ?? 'globex',
  };
  return signer.mintTaskGrant({
    agent: 'agent_1',
    attempts: [attempt],
    expiresAtMs: Date.now() + (options.expiresInMs ?? 60_000),
  });
}

async function fetched(
  service: string,
  request: { blobId: string; taskGrantJws?: string; organisation?: string },
): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const { part } of (await as(service)).fetch(request)) if (part.case === 'chunk') chunks.push(part.value);
  return Buffer.concat(chunks).toString();
}

async function store(
  service: string,
  header: { organisation?: string; taskGrantJws?: string },
  bytes = Buffer.from('{"a":1}'),
) {
  async function* parts() {
    yield { part: { case: 'header' as const, value: { mediaType: 'application/json', ...header } } };
    for (let at = 0; at < bytes.length; at += 65_536)
      yield { part: { case: 'chunk' as const, value: bytes.subarray(at, at + 65_536) } };
  }
  return (await (await as(service)).store(parts())).blob;
}

const refused = (work: Promise<unknown>): Promise<ErrorCode> =>
  work.then(
    () => {
      throw new Error('it was allowed');
    },
    (thrown: unknown) => {
      if (thrown instanceof CogmeshError) return thrown.code;
      throw thrown;
    },
  );

describe('fetch', () => {
  it('gives a worker and the registry what the grant lists', async () => {
    const request = { blobId: things.blob, taskGrantJws: await grant([things.blob]) };
    expect(await fetched('worker', request)).toBe('globex picture');
    expect(await fetched('registry', request)).toBe('globex picture');
  });

  it('gives the scheduler a blob of the organisation it names', async () => {
    expect(await fetched('scheduler', { blobId: things.blob, organisation: 'globex' })).toBe('globex picture');
    expect(await refused(fetched('scheduler', { blobId: things.blob, organisation: 'acme' }))).toBe('not_found');
    expect(await refused(fetched('scheduler', { blobId: things.blob }))).toBe('invalid_argument');
  });

  it('refuses a blob the grant does not list, and one it lists for the wrong organisation', async () => {
    expect(
      await refused(fetched('worker', { blobId: things.acmeBlob, taskGrantJws: await grant([things.blob]) })),
    ).toBe('invalid_grant');
    expect(
      await refused(fetched('worker', { blobId: things.acmeBlob, taskGrantJws: await grant([things.acmeBlob]) })),
    ).toBe('not_found');
  });

  it('refuses without a grant, with an expired one, and with a forged one', async () => {
    const blobId = things.blob;
    expect(await refused(fetched('worker', { blobId }))).toBe('invalid_grant');
    const late = await grant([blobId], { expiresInMs: -120_000 });
    expect(await refused(fetched('worker', { blobId, taskGrantJws: late }))).toBe('invalid_grant');
    const good = await grant([blobId]);
    const other = await grant([things.acmeBlob]);
    const forged = [good.split('.')[0], good.split('.')[1], other.split('.')[2]].join('.');
    expect(await refused(fetched('worker', { blobId, taskGrantJws: forged }))).toBe('invalid_grant');
  });

  it('refuses services that have no business here, and people', async () => {
    const taskGrantJws = await grant([things.blob]);
    expect(await refused(fetched('policy', { blobId: things.blob, taskGrantJws }))).toBe('permission_denied');
    const channel = openChannel({ target: world.grpc });
    channels.push(channel);
    const client = createClient(gatewayV1.BlobService, channel);
    const asPerson = async () => {
      for await (const part of client.fetch(
        { blobId: things.blob, taskGrantJws },
        { metadata: await world.headers('member') },
      ))
        return part;
      return undefined;
    };
    expect(await refused(asPerson())).toBe('invalid_token');
  });
});

describe('store', () => {
  it('gives what a worker stores to the grant’s organisation', async () => {
    const blob = await store('worker', { taskGrantJws: await grant([]) });
    expect(blob).toMatchObject({ bytes: 7n, mediaType: 'application/json' });
    const response = await world.fetch('member', `/v1/blobs/${blob?.id}`);
    expect(await response.json()).toEqual({ a: 1 });
    expect((await world.fetch('acme', `/v1/blobs/${blob?.id}`)).status).toBe(404);
  });

  it('lets the scheduler name the organisation, and a worker only one of its grant', async () => {
    expect(await store('scheduler', { organisation: 'acme' })).toHaveProperty('id');
    expect(await refused(store('scheduler', {}))).toBe('invalid_argument');
    expect(await refused(store('worker', { organisation: 'acme', taskGrantJws: await grant([]) }))).toBe(
      'invalid_grant',
    );
    expect(await refused(store('worker', { organisation: 'globex' }))).toBe('invalid_grant');
  });

  it('keeps nothing of what is too large', async () => {
    const files = await world.blobFiles();
    expect(await refused(store('scheduler', { organisation: 'acme' }, Buffer.alloc(300_000)))).toBe(
      'payload_too_large',
    );
    expect(await world.blobFiles()).toEqual(files);
  });
});
