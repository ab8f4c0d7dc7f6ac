import { CogmeshError } from '@cogmesh/errors';
import type { commonV1 } from '@cogmesh/contracts';

const defaultLimit = 50;
const maxLimit = 500;

export interface Page {
  readonly limit: number;
  /** The last id of the page before. */
  readonly before: string | undefined;
}

/** Cursors are opaque to callers: the last id, in base64url. */
export function pageOf(request: commonV1.PageRequest | undefined): Page {
  const limit = request?.limit ?? 0;
  if (limit < 0 || limit > maxLimit) throw new CogmeshError('invalid_argument', `a page has 1 to ${maxLimit} entries`);
  const cursor = request?.cursor ?? '';
  const before = cursor === '' ? undefined : Buffer.from(cursor, 'base64url').toString('utf8');
  if (before !== undefined && !/^[a-z_]*[0-9A-Z]{26}$/.test(before))
    throw new CogmeshError('invalid_argument', 'the cursor is not one of ours');
  return { limit: limit === 0 ? defaultLimit : limit, before };
}

/** Empty when the page was the last. */
export function cursorAfter(rows: readonly { readonly id: string }[], limit: number): string {
  const last = rows.at(-1);
  return rows.length < limit || !last ? '' : Buffer.from(last.id).toString('base64url');
}
