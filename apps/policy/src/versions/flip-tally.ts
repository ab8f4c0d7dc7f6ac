/** Collects flips: equal ones are one with a count. Two are equal when the same caller asks the same and gets the same two codes. */
import { createHash } from 'node:crypto';
import { ownerOf, resourcePath, type AccessRequest, type Decision } from '@cogmesh/policy-core';
import type { StoredFlip } from './version-store.js';

/** The half of a decision that is told. */
export type Told = Pick<Decision, 'allowed' | 'code' | 'reason'>;

export interface Comparison {
  readonly request: AccessRequest;
  readonly live: Told;
  readonly candidate: Told;
  /** How many decisions it stands for. */
  readonly count: number;
  readonly atMs: number;
}

export class FlipTally {
  readonly #flips = new Map<string, StoredFlip>();
  readonly #max: number;
  toDeny = 0;
  toAllow = 0;
  /** Distinct flips that there was no room for, counted once per decision. */
  notKept = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** Counts the comparison when the answers differ. */
  add(comparison: Comparison): void {
    const { live, candidate, count, atMs } = comparison;
    if (live.allowed === candidate.allowed) return;
    if (live.allowed) this.toDeny += count;
    else this.toAllow += count;
    const flip = flipOf(comparison);
    const held = this.#flips.get(flip.key);
    if (held !== undefined)
      this.#flips.set(flip.key, { ...held, count: held.count + count, lastAt: Math.max(held.lastAt, atMs) });
    else if (this.#flips.size < this.#max) this.#flips.set(flip.key, flip);
    else this.notKept++;
  }

  /** Most frequent first. */
  flips(): StoredFlip[] {
    return [...this.#flips.values()].sort((a, b) => b.count - a.count);
  }
}

function flipOf({ request, live, candidate, count, atMs }: Comparison): StoredFlip {
  const { subject, action, resource } = request;
  const about = {
    callerOrganisation: subject.organisation,
    subject: subject.sub,
    action,
    resource: resourcePath(resource),
    owner: ownerOf(resource) ?? (request.owner || subject.organisation),
    liveCode: live.code,
    candidateCode: candidate.code,
  };
  const key = createHash('sha256')
    .update(JSON.stringify([subject.issuer, ...Object.values(about)]))
    .digest('base64url');
  return { key, ...about, liveReason: live.reason, candidateReason: candidate.reason, count, lastAt: atMs };
}
