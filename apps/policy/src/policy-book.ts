/**
 * The policies in force in this process: the engine, the issuers, and a signed bundle per organisation and epoch. The
 * database is the truth; the book follows it and keeps answering, from what it has, while the database is away. Epochs
 * only rise. A set that does not load makes its organisation deny everything, and only its organisation.
 */
import { policiesOfBundle, withoutRevoked, type Revocations } from '@cogmesh/enforcement';
import type { IssuerRecord, ServiceIdentity } from '@cogmesh/identity';
import type { DecisionEngine, OrganisationPolicies, PolicySet } from '@cogmesh/policy-core';
import type { Logger } from '@cogmesh/telemetry';
import { earlierEpochsMax } from './limits.js';
import type { PolicyStore, StoredPolicies } from './policy-store.js';

export type Signer = Pick<ServiceIdentity, 'verifyPartnerGrant'>;

export interface PolicyBookParts {
  /** Filled by the book alone. */
  readonly engine: DecisionEngine;
  readonly store: PolicyStore;
  readonly signer: Signer;
  readonly logger: Logger;
  /** Takes grants away; nothing is revoked without it. */
  readonly revocations?: Revocations;
  /** After something is in force that was not before. */
  readonly onChange?: () => void;
}

/** The current set of one organisation, whether or not it could be loaded into the engine. */
export interface Page {
  readonly epoch: number;
  readonly document: unknown;
  /** As the engine has it; undefined when the set did not load. */
  readonly policies: OrganisationPolicies | undefined;
  /** The sets before it that this process had, the latest first. */
  readonly earlier: readonly { readonly epoch: number; readonly document: unknown }[];
}

export class PolicyBook {
  readonly engine: DecisionEngine;
  readonly #parts: PolicyBookParts;
  readonly #pages = new Map<string, Page>();
  /** Sets that were just written: what the database answers is read with their help. */
  readonly #expected = new Map<string, PolicySet>();
  #issuers: readonly IssuerRecord[] = [];
  #refreshing: Promise<void> | undefined;

  constructor(parts: PolicyBookParts) {
    this.#parts = parts;
    this.engine = parts.engine;
  }

  /** Takes over what the database has that is newer, from a reading that begins after the call. One reading at a time. */
  async refresh(): Promise<void> {
    while (this.#refreshing !== undefined) await this.#refreshing.catch(() => undefined);
    this.#refreshing = this.#read().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  /** The next set of this organisation that is read is most likely this one; what it says is the database's to tell. */
  expect(organisation: string, document: PolicySet): void {
    this.#expected.set(organisation, document);
  }

  /** Puts a set in force that was just committed. */
  accept(policies: OrganisationPolicies): void {
    const { organisation, epoch, document } = policies;
    if (epoch <= (this.#pages.get(organisation)?.epoch ?? 0)) return;
    this.engine.replace(this.#standing(policies));
    this.#turn(organisation, { epoch, document, policies });
  }

  /** Looks again at which grants of these organisations stand. */
  reviewGrants(organisations: ReadonlySet<string>): void {
    for (const organisation of organisations) {
      const policies = this.#pages.get(organisation)?.policies;
      if (policies !== undefined) this.engine.replace(this.#standing(policies));
    }
  }

  /** Every current set, by organisation in order; a copy that later writes leave as it is. */
  pages(): ReadonlyMap<string, Page> {
    return new Map([...this.#pages].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  get issuers(): readonly IssuerRecord[] {
    return this.#issuers;
  }

  organisations(): string[] {
    return [...this.#pages.keys()].sort();
  }

  epochs(): Record<string, number> {
    return Object.fromEntries(this.organisations().map((name) => [name, this.#pages.get(name)?.epoch ?? 0]));
  }

  /** The current document of an organisation; undefined when there is none. */
  current(organisation: string): { readonly epoch: number; readonly document: unknown } | undefined {
    return this.#pages.get(organisation);
  }

  /** What is in force for an organisation; undefined when there is no such organisation or its set did not load. */
  policiesOf(organisation: string): OrganisationPolicies | undefined {
    return this.#pages.get(organisation)?.policies;
  }

  #standing(policies: OrganisationPolicies): OrganisationPolicies {
    const { revocations } = this.#parts;
    return revocations === undefined ? policies : withoutRevoked(policies, revocations, Date.now());
  }

  #turn(organisation: string, page: Omit<Page, 'earlier'>): void {
    const before = this.#pages.get(organisation);
    const earlier = before === undefined ? [] : [before, ...before.earlier].slice(0, earlierEpochsMax);
    const bare = earlier.map(({ epoch, document }) => ({ epoch, document }));
    this.#pages.set(organisation, { ...page, earlier: bare });
    this.#parts.onChange?.();
  }

  async #read(): Promise<void> {
    const { store } = this.#parts;
    const epochs = await store.epochs();
    const newer = [...epochs].filter(([name, epoch]) => epoch > (this.#pages.get(name)?.epoch ?? 0));
    for (const stored of await store.load(newer.map(([name]) => name))) await this.#take(stored);
    this.#issuers = await store.issuers();
  }

  /** A grant whose signature no longer holds is left out, as every enforcement point does with the bundle. */
  async #take({ organisation, epoch, documentJson }: StoredPolicies): Promise<void> {
    const { signer, logger } = this.#parts;
    const bundle = { organisation, epoch, policies: JSON.parse(documentJson) as unknown };
    const earlier = this.#expected.get(organisation) ?? this.policiesOf(organisation)?.document;
    this.#expected.delete(organisation);
    try {
      const { policies, refusedGrants } = await policiesOfBundle(bundle, signer, earlier);
      if (refusedGrants.length > 0) logger.warn({ organisation, epoch, refusedGrants }, 'partner grants were left out');
      this.accept(policies);
    } catch (thrown) {
      const sentence = 'a stored policy set cannot be used; everything of this organisation is denied';
      logger.error({ organisation, epoch, err: thrown }, sentence);
      this.engine.remove(organisation);
      this.#turn(organisation, { epoch, document: bundle.policies, policies: undefined });
    }
  }
}
