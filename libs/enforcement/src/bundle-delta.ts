/**
 * One policy document told as a change of another. Top-level lists are told in pieces of the old list and new items; every other member is
 * given whole where it differs. The digest of the result travels along: applied to anything but its base, a delta is refused.
 *
 * A document is replaced, never changed, and most of its items are those of the one before: the text of each is kept with it.
 */
import { createHash } from 'node:crypto';
import { CogmeshError } from '@cogmesh/errors';
import type { BundleDeltaClaims, ListPiece } from '@cogmesh/identity';
import { canonicalJson } from './decision-key.js';

export type DocumentChange = Pick<BundleDeltaClaims, 'members' | 'lists' | 'removed' | 'sha256'>;

type Members = Readonly<Record<string, unknown>>;

/** Undefined when either document is a bare list: then there is nothing to name the change by. */
export function documentChange(from: unknown, to: unknown): DocumentChange | undefined {
  if (!isObject(from) || !isObject(to)) return undefined;
  const members: Record<string, unknown> = {};
  const lists: Record<string, readonly ListPiece[]> = {};
  for (const [name, value] of Object.entries(to)) {
    const before = own(from, name);
    if (Object.hasOwn(from, name) && isSameMember(before, value)) continue;
    if (Array.isArray(before) && Array.isArray(value)) lists[name] = piecesOf(before, value);
    else members[name] = value;
  }
  const removed = Object.keys(from).filter((name) => !Object.hasOwn(to, name));
  return { members, lists, removed, sha256: documentDigest(to) };
}

/** The document at the change's epoch; `data_loss` when the change does not fit `from` or the result is not what was signed. */
export function applyChange(from: unknown, { members, lists, removed, sha256 }: DocumentChange): unknown {
  if (!isObject(from)) throw unfit('what is held has no members');
  const to = new Map(Object.entries(from));
  for (const name of removed) to.delete(name);
  for (const [name, value] of Object.entries(members)) to.set(name, value);
  for (const [name, pieces] of Object.entries(lists)) to.set(name, listOf(own(from, name), pieces));
  const document: unknown = Object.fromEntries(to);
  if (documentDigest(document) !== sha256) throw unfit('the result has another digest');
  return document;
}

export function documentDigest(document: unknown): string {
  const text = isObject(document) ? textOfMembers(document) : canonicalJson(document);
  return createHash('sha256').update(text).digest('base64url');
}

/** Canonical JSON of a document, from the kept texts of what its lists hold. */
function textOfMembers(document: Members): string {
  const names = Object.keys(document).sort();
  const given = names.filter((name) => document[name] !== undefined);
  return `{${given.map((name) => `${JSON.stringify(name)}:${textOfMember(document[name])}`).join(',')}}`;
}

const textOfMember = (value: unknown): string =>
  Array.isArray(value) ? `[${value.map(textOfItem).join(',')}]` : canonicalJson(value);

function isSameMember(before: unknown, value: unknown): boolean {
  if (!Array.isArray(before) || !Array.isArray(value)) return textOfMember(before) === textOfMember(value);
  return before.length === value.length && before.every((item, i) => textOfItem(item) === textOfItem(value[i]));
}

const texts = new WeakMap<object, string>();

function textOfItem(item: unknown): string {
  if (typeof item !== 'object' || item === null) return canonicalJson(item);
  const known = texts.get(item);
  if (known !== undefined) return known;
  const text = canonicalJson(item);
  texts.set(item, text);
  return text;
}

type Piece = { from: number; count: number } | { items: unknown[] };

/** What both lists begin and end with is not looked up. */
function piecesOf(before: readonly unknown[], after: readonly unknown[]): ListPiece[] {
  const [was, is] = [before.map(textOfItem), after.map(textOfItem)];
  const shorter = Math.min(was.length, is.length);
  let head = 0;
  while (head < shorter && was[head] === is[head]) head += 1;
  let tail = 0;
  while (tail < shorter - head && was.at(-1 - tail) === is.at(-1 - tail)) tail += 1;
  const places = new Map<string, number>();
  for (let place = head; place < was.length - tail; place += 1) places.set(was[place] as string, place);
  const pieces: Piece[] = head === 0 ? [] : [{ from: 0, count: head }];
  for (let at = head; at < is.length - tail; at += 1) addItem(pieces, after[at], places.get(is[at] as string));
  if (tail > 0) pieces.push({ from: was.length - tail, count: tail });
  return pieces;
}

function addItem(pieces: Piece[], item: unknown, place: number | undefined): void {
  const last = pieces.at(-1);
  if (place === undefined) {
    if (last !== undefined && 'items' in last) last.items.push(item);
    else pieces.push({ items: [item] });
  } else if (last !== undefined && 'from' in last && last.from + last.count === place) last.count += 1;
  else pieces.push({ from: place, count: 1 });
}

function listOf(before: unknown, pieces: readonly ListPiece[]): unknown[] {
  if (!Array.isArray(before)) throw unfit('what is held is no list');
  return pieces.flatMap((piece): unknown[] => {
    if ('items' in piece) return [...piece.items];
    if (piece.from + piece.count > before.length) throw unfit('what is held is shorter');
    return before.slice(piece.from, piece.from + piece.count) as unknown[];
  });
}

const unfit = (why: string): CogmeshError =>
  new CogmeshError('data_loss', `the change does not fit the policies that are held: ${why}`);

const isObject = (value: unknown): value is Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const own = (members: Members, name: string): unknown => (Object.hasOwn(members, name) ? members[name] : undefined);
