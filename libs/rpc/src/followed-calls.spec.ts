import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gatewayV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { expect, it } from 'vitest';
import { createClient, implement, openChannel, serveRpc } from './index.js';

const subject = { issuer: 'i', sub: 's', organisation: 'o', roles: [], tokenId: '', attributes: {} };

it('a stream ends with the refusal of whoever follows its right, even when the handler does not listen', async () => {
  const followers = new Set<(why: unknown) => void>();
  const service = implement(gatewayV1.BlobService, {
    async *fetch() {
      yield { part: { case: 'chunk' as const, value: new Uint8Array(1) } };
      await new Promise(() => {});
    },
    store: () => Promise.reject(new CogmeshError('unimplemented', 'not here')),
  });
  const server = await serveRpc({
    address: `unix:${join(await mkdtemp(join(tmpdir(), 'rpc-')), 'rpc.sock')}`,
    services: [service],
    authenticate: () => ({
      kind: 'subject',
      subject,
      access: [],
      permitId: '',
      follow: (end) => {
        followers.add(end);
        return () => void followers.delete(end);
      },
    }),
  });
  const channel = openChannel({ target: server.address });
  const events = createClient(gatewayV1.BlobService, channel).fetch({ blobId: 'b' })[Symbol.asyncIterator]();
  expect((await events.next()).done).toBe(false);
  for (const end of followers) end(new CogmeshError('revoked', 'not any more'));
  await expect(events.next()).rejects.toMatchObject({ code: 'revoked' });
  await expect.poll(() => followers.size).toBe(0);
  channel.close();
  await server.stop(0);
});
