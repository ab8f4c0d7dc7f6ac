/**
 * Page tokens: where the next page begins, bound to the question it belongs to. A token that comes back with another
 * question or another limit is refused. It holds no secret and opens nothing: the pages it leads to are decided anew.
 */
import { createHash } from 'node:crypto';
import type { OutsideSubject } from '@cogmesh/rpc';
import { refuse } from './entities.js';
import type { SearchRequest } from './search-request.js';

export interface Place {
  readonly limit: number;
  /** The policy service's. */
  readonly cursor: string;
}

/** Results in a page when the asker names no limit, and at most. */
const defaultLimit = 100;
const maxLimit = 1_000;

/** Longest token looked at, characters. */
const tokenMaxChars = 8_192;

/** Rejects with `invalid_argument` for a token that is none, or that another question was answered with. */
export function placeOf(search: SearchRequest, asker: OutsideSubject): Place {
  const { token, limit } = search.page;
  if (token === undefined) return { limit: Math.min(limit ?? defaultLimit, maxLimit), cursor: '' };
  const held = opened(token);
  if (held === undefined) refuse('page.token', 'invalid', 'is not a token of this service');
  if (held.digest !== digestOf(search, asker) || (limit !== undefined && Math.min(limit, maxLimit) !== held.limit))
    refuse('page.token', 'changed', 'belongs to another request; a page after the first repeats the request unchanged');
  return { limit: held.limit, cursor: held.cursor };
}

export function tokenFor(search: SearchRequest, asker: OutsideSubject, { limit, cursor }: Place): string {
  return Buffer.from(JSON.stringify([digestOf(search, asker), limit, cursor])).toString('base64url');
}

function opened(token: string): (Place & { readonly digest: string }) | undefined {
  if (token.length > tokenMaxChars || !/^[A-Za-z0-9_-]+$/.test(token)) return undefined;
  try {
    const [digest, limit, cursor] = JSON.parse(Buffer.from(token, 'base64url').toString()) as unknown[];
    if (typeof digest !== 'string' || typeof cursor !== 'string' || !Number.isSafeInteger(limit)) return undefined;
    const count = limit as number;
    return count < 0 || count > maxLimit ? undefined : { digest, limit: count, cursor };
  } catch {
    return undefined;
  }
}

function digestOf({ target, evaluation }: SearchRequest, { issuer, sub, organisation }: OutsideSubject): string {
  const text = canonical([target, organisation, issuer, sub, evaluation]);
  return createHash('sha256').update(text).digest('base64url').slice(0, 22);
}

/** JSON with members in one order, whatever order they came in. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_name, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
}
