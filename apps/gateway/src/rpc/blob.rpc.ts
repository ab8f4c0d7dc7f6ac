/**
 * Payloads for services. A worker and the registry (for SDK agents) get what a task grant lists, and nothing else; the
 * scheduler builds outputs itself and is trusted by identity, but names the organisation whose blob it means, so that an id
 * smuggled into a run can never reach another organisation's bytes.
 */
import { gatewayV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import type { GrantedAttempt, ServiceIdentity } from '@cogmesh/identity';
import { implement, type CallContext, type ServiceBinding } from '@cogmesh/rpc';
import { storeBlob, type BlobKeeping } from '../blobs/store-blob.js';
import { blobMessage, chunkParts, chunksOf } from './blob-parts.js';

type Grants = Pick<ServiceIdentity, 'verifyTaskGrant'>;

export function blobRpc(keeping: BlobKeeping, grants: Grants): ServiceBinding {
  return implement(gatewayV1.BlobService, {
    fetch: async function* (request, call) {
      const owner = await readableFrom(request, call, grants);
      const record = await keeping.blobRecords.find(owner, request.blobId, keeping.now());
      if (record === undefined) throw new CogmeshError('not_found', `there is no blob ${request.blobId}`);
      yield { part: { case: 'blob', value: blobMessage(record) } };
      yield* chunkParts(await keeping.blobStore.open(record.id));
    },
    store: async (parts, call) => {
      const iterator = parts[Symbol.asyncIterator]();
      const { value } = await iterator.next();
      const first = (value as gatewayV1.StoreRequest | undefined)?.part;
      if (first?.case !== 'header')
        throw new CogmeshError('invalid_argument', 'the first message of a store is its header');
      const record = await storeBlob(keeping, {
        organisation: await ownerOf(first.value, call, grants),
        createdBy: serviceOf(call),
        mediaType: first.value.mediaType,
        content: chunksOf(iterator),
      });
      return { blob: blobMessage(record) };
    },
  });
}

function serviceOf({ caller }: CallContext): string {
  if (caller.kind === 'service') return caller.service;
  throw new CogmeshError('permission_denied', 'only services call this');
}

/** The organisation as which the caller may read the blob. */
async function readableFrom(request: gatewayV1.FetchRequest, call: CallContext, grants: Grants): Promise<string> {
  if (serviceOf(call) === 'scheduler') return named(request.organisation);
  const attempts = await grantedAttempts(request.taskGrantJws, grants);
  const listing = attempts.find((attempt) => attempt.blobs.includes(request.blobId));
  if (listing !== undefined) return listing.organisation;
  throw new CogmeshError('invalid_grant', `the task grant does not list ${request.blobId}`);
}

/** The organisation that will own what is stored. */
async function ownerOf(header: gatewayV1.StoreHeader, call: CallContext, grants: Grants): Promise<string> {
  if (serviceOf(call) === 'scheduler') return named(header.organisation);
  const attempts = await grantedAttempts(header.taskGrantJws, grants);
  const owners = new Set(attempts.map(({ organisation }) => organisation));
  const [only] = owners;
  if (header.organisation === '' && owners.size === 1 && only !== undefined) return only;
  if (owners.has(header.organisation)) return header.organisation;
  throw new CogmeshError('invalid_grant', `the task grant is not for work of "${header.organisation}"`);
}

function named(organisation: string): string {
  if (organisation !== '') return organisation;
  throw new CogmeshError('invalid_argument', 'name the organisation that owns the blob');
}

async function grantedAttempts(taskGrant: string, grants: Grants): Promise<readonly GrantedAttempt[]> {
  if (taskGrant === '') throw new CogmeshError('invalid_grant', 'this call needs a task grant');
  return (await grants.verifyTaskGrant(taskGrant)).attempts;
}
