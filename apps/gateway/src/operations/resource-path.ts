import { CogmeshError } from '@cogmesh/errors';

const runId = /^run_[0-9A-HJKMNP-TV-Z]{26}$/;
const blobId = /^blob_[0-9A-HJKMNP-TV-Z]{26}$/;

/** `/runs/<id>`. What cannot be a run's id names no run: `not_found`. */
export function runPath(id: string): string {
  if (!runId.test(id)) throw new CogmeshError('not_found', `there is no run "${id.slice(0, 64)}"`);
  return `/runs/${id}`;
}

/** `/blobs/<id>`, in the same way. */
export function blobPath(id: string): string {
  if (!blobId.test(id)) throw new CogmeshError('not_found', `there is no blob "${id.slice(0, 64)}"`);
  return `/blobs/${id}`;
}
