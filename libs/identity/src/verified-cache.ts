/**
 * Verified tokens by digest, until they expire. Bounded: the least recently used goes first. Keeps claims, never tokens, so a
 * dump of it gives nobody a credential.
 */
import { hash } from 'node:crypto';

interface Entry<T> {
  readonly claims: T;
  readonly expiresAtMs: number;
}

export class VerifiedCache<T> {
  readonly #entries = new Map<string, Entry<T>>();
  readonly #maxEntries: number;

  constructor(maxEntries: number) {
    this.#maxEntries = maxEntries;
  }

  get(key: string, nowMs: number): T | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    if (entry.expiresAtMs <= nowMs) return undefined;
    this.#entries.set(key, entry);
    return entry.claims;
  }

  set(key: string, claims: T, expiresAtMs: number): void {
    this.#entries.delete(key);
    this.#entries.set(key, { claims, expiresAtMs });
    if (this.#entries.size <= this.#maxEntries) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }

  clear(): void {
    this.#entries.clear();
  }
}

/** SHA-256 of a token, base64url: a cache key. */
export function tokenDigest(token: string): string {
  return hash('sha256', token, 'base64url');
}
