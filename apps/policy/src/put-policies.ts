/**
 * The one way policies change: checked whole, stored as the next epoch in one transaction, then in force here, then a
 * hint to the others. A document that is refused changes nothing.
 */
import { checkPolicies, type GrantVerifier } from './checked-policies.js';
import type { PolicyBook } from './policy-book.js';
import type { PolicyHints } from './policy-hints.js';
import type { CheckedPolicies, PolicyStore } from './policy-store.js';

export interface PutPoliciesParts {
  readonly store: PolicyStore;
  readonly book: PolicyBook;
  readonly hints: PolicyHints;
  readonly verifier: GrantVerifier;
}

export interface PutPoliciesCommand {
  readonly organisation: string;
  readonly json: string;
  /** 0 accepts any. */
  readonly expectedEpoch: number;
  readonly writtenBy: string;
  /** What the change is for. */
  readonly note?: string;
}

export class PutPolicies {
  readonly #parts: PutPoliciesParts;

  constructor(parts: PutPoliciesParts) {
    this.#parts = parts;
  }

  /** The new epoch. Throws `invalid_policy`, `payload_too_large`, `not_found` or `conflict`. */
  async execute({ json, ...command }: PutPoliciesCommand): Promise<number> {
    const { book, verifier } = this.#parts;
    const { organisation } = command;
    const inForce = book.policiesOf(organisation)?.document;
    return this.write(await checkPolicies(organisation, json, verifier, inForce), command);
  }

  /** As `execute`, for a set that was checked. */
  async write(checked: CheckedPolicies, command: Omit<PutPoliciesCommand, 'json'>): Promise<number> {
    const { store, book, hints } = this.#parts;
    const { organisation } = command;
    const epoch = await store.put({ ...checked, ...command });
    book.expect(organisation, checked.document);
    // With the grants that are kept beside it, and without those that were revoked.
    await book.refresh();
    await hints.bundlePublished(organisation, epoch);
    return epoch;
  }
}
