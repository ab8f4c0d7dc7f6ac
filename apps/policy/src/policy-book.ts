/**
 * The policies in force in this process: the engine, the issuers, and a signed bundle per organisation and epoch. The
 * database is the truth; the book follows it and keeps answering, from what it has, while the database is away. Epochs
 * only rise. A set that does not load makes its organisation deny everything, and only its organisation.
 */
import { policiesOfBundle } from '@cogmesh/enforcement';
import type { IssuerRecord, ServiceIdentity } from '@cogmesh/identity';
import type { DecisionEngine, OrganisationPolicies } from '@cogmesh/policy-core';
import type { Logger } from '@cogmesh/telemetry';
import { bundlesMaxChars } from './limits.js';
import type { PolicyStore, StoredPolicies } from './policy-store.js';

export type Signer = Pick<ServiceIdentity, 'signBundle' | 'signHeartbeat' | 'verifyPartnerGrant'>;

export interface PolicyBookParts {
  /** Filled by the book alone. */
  readonly engine: DecisionEngine;
  readonly store: PolicyStore;
  readonly signer: Signer;
  readonly logger: Logger;
}

/** The current set of one organisation, whether or not it could be loaded into the engine. */
interface Page {
  readonly epoch: number;
  readonly document: unknown;
  /** As the engine has it; undefined when the set did not load. */
  readonly policies: OrganisationPolicies | undefined;
  bundle: Promise<string> | undefined;
}

export class PolicyBook {
  readonly engine: DecisionEngine;
  readonly #parts: PolicyBookParts;
  readonly #pages = new Map<string, Page>();
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

  /** Puts a set in force that was just committed. */
  accept(policies: OrganisationPolicies): void {
    const { organisation, epoch, document } = policies;
    if (epoch <= (this.#pages.get(organisation)?.epoch ?? 0)) return;
    this.engine.replace(policies);
    this.#pages.set(organisation, { epoch, document, policies, bundle: undefined });
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

  /** Signed bundles above the known epochs, as many as fit one answer. */
  async bundlesSince(known: ReadonlyMap<string, number>): Promise<string[]> {
    const bundles: string[] = [];
    let chars = 0;
    for (const organisation of this.organisations()) {
      const page = this.#pages.get(organisation);
      if (page === undefined || page.epoch <= (known.get(organisation) ?? 0)) continue;
      const bundle = await this.#bundle(organisation, page);
      chars += bundle.length;
      if (bundles.length > 0 && chars > bundlesMaxChars) break;
      bundles.push(bundle);
    }
    return bundles;
  }

  heartbeat(nonce: string): Promise<string> {
    return this.#parts.signer.signHeartbeat({ nonce, epochs: this.epochs() });
  }

  #bundle(organisation: string, page: Page): Promise<string> {
    const { epoch, document } = page;
    page.bundle ??= this.#parts.signer.signBundle({ organisation, epoch, policies: document });
    page.bundle.catch(() => {
      page.bundle = undefined;
    });
    return page.bundle;
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
    try {
      const { policies, refusedGrants } = await policiesOfBundle(bundle, signer);
      if (refusedGrants.length > 0) logger.warn({ organisation, epoch, refusedGrants }, 'partner grants were left out');
      this.accept(policies);
    } catch (thrown) {
      const sentence = 'a stored policy set cannot be used; everything of this organisation is denied';
      logger.error({ organisation, epoch, err: thrown }, sentence);
      this.engine.remove(organisation);
      this.#pages.set(organisation, { epoch, document: bundle.policies, policies: undefined, bundle: undefined });
    }
  }
}
