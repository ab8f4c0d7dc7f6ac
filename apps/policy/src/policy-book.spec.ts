import { CogmeshError } from '@cogmesh/errors';
import { DecisionEngine, type AccessRequest } from '@cogmesh/policy-core';
import { createLogger } from '@cogmesh/telemetry';
import { describe, expect, it } from 'vitest';
import { PolicyBook } from './policy-book.js';
import type { PolicyStore, StoredPolicies } from './policy-store.js';

const signer = {
  verifyPartnerGrant: async () => {
    throw new CogmeshError('invalid_grant', 'the signature is wrong');
  },
};

class RowsStore implements Pick<PolicyStore, 'epochs' | 'load' | 'issuers'> {
  readonly rows = new Map<string, StoredPolicies>();
  away = false;

  set(organisation: string, epoch: number, document: unknown): void {
    this.rows.set(organisation, { organisation, epoch, documentJson: JSON.stringify(document) });
  }
  async epochs() {
    if (this.away) throw new CogmeshError('unavailable', 'the database is away');
    return new Map([...this.rows.values()].map(({ organisation, epoch }) => [organisation, epoch]));
  }
  async load(organisations: readonly string[]) {
    return organisations.flatMap((name) => this.rows.get(name) ?? []);
  }
  async issuers() {
    return [];
  }
}

function bookOver(store: RowsStore): PolicyBook {
  const unused = {
    put: () => Promise.reject(new Error('unused')),
    addMissing: () => Promise.reject(new Error('unused')),
  };
  const whole: PolicyStore = {
    epochs: () => store.epochs(),
    load: (names) => store.load(names),
    issuers: () => store.issuers(),
    ...unused,
  };
  return new PolicyBook({
    engine: new DecisionEngine(),
    store: whole,
    signer,
    logger: createLogger({ level: 'silent' }),
  });
}

const anybodyReads = [{ permissions: ['read'], resources: ['/runs/*'] }];
const reading = (organisation: string): AccessRequest => ({
  subject: { issuer: 'i', sub: 's', organisation, roles: [], attributes: {} },
  action: 'read',
  resource: { type: 'run', id: '1' },
  nowMs: 0,
});

describe('the policy book', () => {
  it('keeps answering from what it has while the database is away', async () => {
    const store = new RowsStore();
    store.set('acme', 1, anybodyReads);
    const book = bookOver(store);
    await book.refresh();
    store.away = true;
    await expect(book.refresh()).rejects.toThrow('away');
    expect(book.engine.decide(reading('acme')).allowed).toBe(true);
    expect(book.epochs()).toEqual({ acme: 1 });
    store.away = false;
    store.set('acme', 2, []);
    await book.refresh();
    expect(book.engine.decide(reading('acme')).allowed).toBe(false);
  });

  it('denies everything of an organisation whose stored set cannot be used, and only of it', async () => {
    const store = new RowsStore();
    store.set('acme', 1, anybodyReads);
    store.set('globex', 1, anybodyReads);
    const book = bookOver(store);
    await book.refresh();
    store.set('acme', 2, [{ permissions: ['read'], resources: ['/runs/*'], policy: 'broken ==' }]);
    await book.refresh();
    expect(book.engine.decide(reading('acme'))).toMatchObject({ allowed: false, code: 'unknown_organisation' });
    expect(book.engine.decide(reading('globex')).allowed).toBe(true);
    expect(book.epochs()).toEqual({ acme: 2, globex: 1 });
  });

  it('leaves out a grant whose signature does not hold, and keeps the rest', async () => {
    const store = new RowsStore();
    store.set('acme', 1, { policies: anybodyReads, grants: ['aa.bb.cc'] });
    const book = bookOver(store);
    await book.refresh();
    expect(book.engine.decide(reading('acme')).allowed).toBe(true);
  });

  it('never goes back to an older epoch', async () => {
    const store = new RowsStore();
    store.set('acme', 3, anybodyReads);
    const book = bookOver(store);
    await book.refresh();
    book.accept({ organisation: 'acme', epoch: 2, document: { policies: [], roles: {}, grants: [] }, grants: [] });
    expect(book.engine.decide(reading('acme'))).toMatchObject({ allowed: true, epoch: 3 });
  });

  it('keeps a few sets before the current one, for those who hold them', async () => {
    const store = new RowsStore();
    const book = bookOver(store);
    for (let epoch = 1; epoch <= 7; epoch++) {
      store.set('acme', epoch, anybodyReads);
      await book.refresh();
    }
    expect(
      book
        .pages()
        .get('acme')
        ?.earlier.map(({ epoch }) => epoch),
    ).toEqual([6, 5, 4, 3]);
  });
});
