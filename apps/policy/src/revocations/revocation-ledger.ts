/**
 * The revocations in force in this process, and the signed list of them for whoever holds an earlier epoch. The database is the truth;
 * the ledger follows it and keeps answering, from what it has, while the database is away.
 */
import type { RevocationBook, Revocations } from '@cogmesh/enforcement';
import type { RevocationChange, ServiceIdentity } from '@cogmesh/identity';
import { revocationsPerAnswerMax } from '../limits.js';
import type { RevocationStore } from './revocation-store.js';

export interface RevocationLedgerParts {
  readonly store: Pick<RevocationStore, 'since'>;
  readonly signer: Pick<ServiceIdentity, 'signRevocations'>;
  /** Filled by the ledger alone. */
  readonly revocations: RevocationBook;
  /** Told what is new. */
  readonly onChange: (changes: readonly RevocationChange[]) => void;
}

export interface RevocationList {
  /** Epoch of the whole list now. */
  readonly current: number;
  /** Empty when there is nothing new. */
  signed(): Promise<string>;
}

export class RevocationLedger {
  readonly #parts: RevocationLedgerParts;
  readonly #book: RevocationBook;
  /** Last change of each thing, by epoch: a later change moves to the end. */
  readonly #changes = new Map<string, RevocationChange>();
  #reading: Promise<void> | undefined;

  constructor(parts: RevocationLedgerParts) {
    this.#parts = parts;
    this.#book = parts.revocations;
  }

  get revocations(): Revocations {
    return this.#book;
  }

  /** Takes over what the database has that is newer, from a reading that begins after the call. */
  async refresh(): Promise<void> {
    while (this.#reading !== undefined) await this.#reading.catch(() => undefined);
    this.#reading = this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  listSince(known: number): RevocationList {
    const current = this.#book.epoch;
    const changes = known >= current ? [] : [...this.#changes.values()].filter(({ epoch }) => epoch > known);
    const part = changes.slice(0, revocationsPerAnswerMax);
    const epoch = part.length < changes.length ? (part.at(-1)?.epoch ?? current) : current;
    const signed = (): Promise<string> =>
      known >= current
        ? Promise.resolve('')
        : this.#parts.signer.signRevocations({ since: known, epoch, changes: part });
    return { current, signed };
  }

  async #read(): Promise<void> {
    const since = this.#book.epoch;
    const changes = await this.#parts.store.since(since);
    const last = changes.at(-1);
    if (last === undefined) return;
    const fresh = this.#book.apply({ since, epoch: last.epoch, changes });
    for (const change of fresh) {
      const key = JSON.stringify([change.kind, change.organisation, change.issuer, change.value]);
      this.#changes.delete(key);
      this.#changes.set(key, change);
    }
    this.#parts.onChange(fresh);
  }
}
