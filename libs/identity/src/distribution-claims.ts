/**
 * What the policy service signs beside bundles and heartbeats: the change from one epoch of an organisation's policies to another, and the
 * list of what was revoked. Both say what they start from, so that neither can be applied to anything else.
 */
import type { JWTPayload } from 'jose';
import { reader } from './read-claims.js';
import { tokenKinds } from './token-kinds.js';

export const revocationKinds = ['token', 'subject', 'issuer', 'grant', 'key'] as const;
export type RevocationKind = (typeof revocationKinds)[number];

/** One thing that is revoked, or no longer. */
export interface RevocationChange {
  readonly kind: RevocationKind;
  /** Whose it is. */
  readonly organisation: string;
  /** Exact `iss`; `org:<organisation>` for the key that signs its grants; empty for a grant. */
  readonly issuer: string;
  /** `jti`, `sub` or `kid`; empty for an issuer. */
  readonly value: string;
  /** Epoch of the list that brought it, from 1. */
  readonly epoch: number;
  /** Milliseconds since 1970 from which it need not be remembered; 0 means never. */
  readonly untilMs: number;
  /** It was taken back. */
  readonly lifted: boolean;
}

/** The changes after `since`, up to `epoch`. With `since` 0 there was nothing before them. */
export interface RevocationListClaims {
  readonly since: number;
  readonly epoch: number;
  readonly changes: readonly RevocationChange[];
}

/** A piece of a list: `count` items of the list as it was, from place `from`, or new ones. */
export type ListPiece = { readonly from: number; readonly count: number } | { readonly items: readonly unknown[] };

/** One organisation's policies at `epoch`, told as a change of those at `base`. */
export interface BundleDeltaClaims {
  readonly organisation: string;
  readonly base: number;
  readonly epoch: number;
  /** Top-level members that are as given here; what is neither here, in `lists` nor in `removed` stays. */
  readonly members: Readonly<Record<string, unknown>>;
  /** Top-level lists, told by pieces. */
  readonly lists: Readonly<Record<string, readonly ListPiece[]>>;
  /** Top-level members that are gone. */
  readonly removed: readonly string[];
  /** SHA-256 of the whole document's JSON with members sorted by name, base64url. */
  readonly sha256: string;
  /** Milliseconds since 1970. */
  readonly expiresAtMs?: number;
}

export function revocationListClaims(payload: JWTPayload): RevocationListClaims {
  const read = reader(tokenKinds.revocations, payload);
  const [since, epoch] = [read.count('since'), read.count('epoch')];
  if (epoch < since) read.fail('epoch');
  const changes = read.list('changes').map(changeOf);
  if (changes.some((change) => change.epoch <= since || change.epoch > epoch)) read.fail('changes');
  return { since, epoch, changes };
}

function changeOf(value: unknown): RevocationChange {
  const read = reader(tokenKinds.revocations, value);
  const kind = revocationKinds.find((known) => known === read.text('kind')) ?? read.fail('kind');
  const lifted = read.field('lifted') === true;
  const about = { organisation: read.text('organisation'), issuer: read.text('issuer'), value: read.text('value') };
  return { kind, ...about, epoch: read.count('epoch'), untilMs: read.count('untilMs'), lifted };
}

export function bundleDeltaClaims(payload: JWTPayload): BundleDeltaClaims {
  const read = reader(tokenKinds.bundleDelta, payload);
  const [base, epoch] = [read.count('base'), read.count('epoch')];
  if (epoch <= base) read.fail('epoch');
  const lists = reader(tokenKinds.bundleDelta, read.object('lists'));
  const names = Object.keys(read.object('lists'));
  return {
    organisation: read.text('organisation'),
    base,
    epoch,
    members: read.object('members'),
    lists: Object.fromEntries(names.map((name) => [name, lists.list(name).map(pieceOf)])),
    removed: read.texts('removed'),
    sha256: read.text('sha256'),
    ...(payload.exp === undefined ? {} : { expiresAtMs: read.timeMs('exp') }),
  };
}

function pieceOf(value: unknown): ListPiece {
  const read = reader(tokenKinds.bundleDelta, value);
  if (read.field('items') !== undefined) return { items: read.list('items') };
  return { from: read.count('from'), count: read.count('count') };
}
