/**
 * This process's copy of the signed policies. It asks the policy service every second; a signed heartbeat bound to the question's
 * nonce says which epochs are current, and only when every one of them is held does the answer count as fresh. Fresh ends
 * `maxStalenessMs` after the last such question was asked, on a monotonic clock: from then on every check is refused.
 * Epochs never go back, across restarts too. Bundles from disk serve only once a heartbeat has confirmed them.
 */
import { randomBytes } from 'node:crypto';
import { CogmeshError } from '@cogmesh/errors';
import type { BundleClaims, HeartbeatClaims, InsideTokenVerifier } from '@cogmesh/identity';
import { DecisionEngine } from '@cogmesh/policy-core';
import type { Logger } from '@cogmesh/telemetry';
import { policiesOfBundle } from './bundle-policies.js';
import type { BundleStore } from './bundle-store.js';
import type { PolicySource } from './policy-source.js';

export interface BundleQuestion {
  readonly knownEpochs: Record<string, bigint>;
  readonly nonce: string;
}

export interface BundleAnswer {
  readonly bundlesJws: readonly string[];
  readonly heartbeatJws: string;
}

export interface PolicyReplicaOptions {
  /** PolicyService.GetBundle; rejects when there is no answer in time. */
  readonly fetch: (question: BundleQuestion) => Promise<BundleAnswer>;
  readonly verifier: Pick<InsideTokenVerifier, 'verifyBundle' | 'verifyHeartbeat' | 'verifyPartnerGrant'>;
  readonly store: BundleStore;
  readonly logger: Logger;
  readonly pollIntervalMs: number;
  readonly maxStalenessMs: number;
  /** Milliseconds that never jump. Default: `performance.now`. */
  readonly monotonicNow?: () => number;
}

interface Held {
  readonly epoch: number;
  readonly jws: string;
}

export class PolicyReplica implements PolicySource {
  readonly engine = new DecisionEngine();
  readonly #options: PolicyReplicaOptions;
  readonly #monotonicNow: () => number;
  /** Verified bundles; one whose document does not compile is held too, so that it is not fetched again, but decides nothing. */
  readonly #held = new Map<string, Held>();
  readonly #highest = new Map<string, number>();
  #confirmedAtMs: number | undefined;
  #lastProblem = 'the policy service has not answered yet';
  #unsaved = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #polling: Promise<void> | undefined;
  #pokedMeanwhile = false;
  #stopped = false;

  constructor(options: PolicyReplicaOptions) {
    this.#options = options;
    this.#monotonicNow = options.monotonicNow ?? (() => performance.now());
  }

  /** Loads what is on disk and starts to ask. Resolves after the first attempt, whatever came of it. */
  async start(): Promise<void> {
    await this.#loadStored();
    await this.poke();
  }

  /** Asks now: for the hint that something was published. Resolves when an attempt that began after this call is over. */
  async poke(): Promise<void> {
    if (this.#stopped) return;
    if (this.#polling !== undefined) {
      this.#pokedMeanwhile = true;
      await this.#polling;
      if (!this.#pokedMeanwhile || this.#stopped) return this.#polling;
    }
    this.#pokedMeanwhile = false;
    clearTimeout(this.#timer);
    this.#polling = this.#attempt().finally(() => {
      this.#polling = undefined;
      if (!this.#stopped) this.#timer = setTimeout(() => void this.poke(), this.#options.pollIntervalMs).unref();
    });
    return this.#polling;
  }

  assertFresh(): void {
    const { ready, detail } = this.readiness();
    if (ready) return;
    throw new CogmeshError('stale_policy', `policies cannot be checked now: ${detail}`, { retryAfterSeconds: 1 });
  }

  /** Whether checks are answered now, and what is in the way if not. */
  readiness(): { readonly ready: boolean; readonly detail: string } {
    if (this.#confirmedAtMs === undefined) return { ready: false, detail: this.#lastProblem };
    const ageMs = Math.round(this.#monotonicNow() - this.#confirmedAtMs);
    if (ageMs <= this.#options.maxStalenessMs) return { ready: true, detail: `confirmed ${ageMs} ms ago` };
    return {
      ready: false,
      detail: `last confirmed ${ageMs} ms ago (limit ${this.#options.maxStalenessMs} ms): ${this.#lastProblem}`,
    };
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#polling;
  }

  async #attempt(): Promise<void> {
    try {
      await this.#poll();
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      if (problem !== this.#lastProblem) this.#options.logger.warn({ err: error }, 'policies were not refreshed');
      this.#lastProblem = problem;
    }
  }

  async #poll(): Promise<void> {
    const askedAtMs = this.#monotonicNow();
    const nonce = randomBytes(16).toString('hex');
    const knownEpochs = Object.fromEntries([...this.#held].map(([name, { epoch }]) => [name, BigInt(epoch)]));
    const answer = await this.#options.fetch({ knownEpochs, nonce });
    const heartbeat = await this.#options.verifier.verifyHeartbeat(answer.heartbeatJws, nonce);
    this.#refuseRollback(heartbeat);
    let taken = 0;
    for (const jws of answer.bundlesJws) taken += (await this.#take(jws, heartbeat)) ? 1 : 0;
    this.#forgetRemoved(heartbeat);
    const missing = this.#missing(heartbeat);
    // A large answer comes in parts: ask for the next as long as each brings something.
    if (missing !== undefined && taken > 0 && !this.#stopped) return this.#poll();
    if (missing !== undefined) throw new CogmeshError('data_loss', missing);
    this.#confirmedAtMs = askedAtMs;
    this.#lastProblem = 'the policy service does not answer';
    await this.#save();
  }

  #refuseRollback({ epochs }: HeartbeatClaims): void {
    for (const [organisation, epoch] of Object.entries(epochs)) {
      const highest = this.#highest.get(organisation) ?? 0;
      if (epoch < highest)
        throw new CogmeshError(
          'conflict',
          `the policy service went back to epoch ${epoch} of ${organisation}; ${highest} was seen`,
        );
    }
  }

  /** Whether it brought something new. */
  async #take(jws: string, { epochs }: HeartbeatClaims): Promise<boolean> {
    const bundle = await this.#options.verifier.verifyBundle(jws);
    const { organisation, epoch } = bundle;
    const current = Object.hasOwn(epochs, organisation) ? epochs[organisation] : undefined;
    if (current !== epoch) {
      throw new CogmeshError(
        'conflict',
        `a bundle of ${organisation} has epoch ${epoch}, the heartbeat says ${current ?? 'nothing'}`,
      );
    }
    if ((this.#held.get(organisation)?.epoch ?? -1) >= epoch) return false;
    await this.#compile(bundle);
    this.#held.set(organisation, { epoch, jws });
    this.#highest.set(organisation, Math.max(epoch, this.#highest.get(organisation) ?? 0));
    this.#unsaved.add(organisation);
    return true;
  }

  /** A document that does not compile denies its own organisation and nobody else. */
  async #compile(bundle: BundleClaims): Promise<void> {
    const { logger, verifier } = this.#options;
    const about = { organisation: bundle.organisation, epoch: bundle.epoch };
    try {
      const { policies, refusedGrants } = await policiesOfBundle(bundle, verifier);
      if (refusedGrants.length > 0) logger.warn({ ...about, refusedGrants }, 'partner grants were left out');
      this.engine.replace(policies);
    } catch (error) {
      this.engine.remove(bundle.organisation);
      logger.error({ ...about, err: error }, 'a bundle cannot be used; everything of this organisation is denied');
    }
  }

  #forgetRemoved({ epochs }: HeartbeatClaims): void {
    for (const organisation of [...this.#held.keys()]) {
      if (Object.hasOwn(epochs, organisation)) continue;
      this.engine.remove(organisation);
      this.#held.delete(organisation);
      this.#unsaved.add(organisation);
    }
  }

  #missing({ epochs }: HeartbeatClaims): string | undefined {
    for (const [organisation, epoch] of Object.entries(epochs)) {
      if (this.#held.get(organisation)?.epoch === epoch) continue;
      return `the policy service named epoch ${epoch} of ${organisation} but did not send it`;
    }
    return undefined;
  }

  /** A disk that refuses costs protection after a restart, not the decisions of now: tried again at the next poll. */
  async #save(): Promise<void> {
    const names = [...this.#unsaved];
    if (names.length === 0) return;
    const held = names.flatMap((name) => [...this.#held].filter(([organisation]) => organisation === name));
    try {
      await this.#options.store.save({
        epochs: this.#highest,
        bundles: new Map(held.map(([name, { jws }]) => [name, jws])),
        removed: names.filter((name) => !this.#held.has(name)),
      });
      this.#unsaved = new Set();
    } catch (error) {
      this.#options.logger.error({ err: error }, 'bundles could not be saved');
    }
  }

  async #loadStored(): Promise<void> {
    const { epochs, bundles } = await this.#options.store.load();
    for (const [organisation, epoch] of epochs) this.#highest.set(organisation, epoch);
    for (const [organisation, jws] of bundles) await this.#takeStored(organisation, jws);
  }

  async #takeStored(organisation: string, jws: string): Promise<void> {
    try {
      const bundle = await this.#options.verifier.verifyBundle(jws);
      if (bundle.organisation !== organisation || bundle.epoch !== this.#highest.get(organisation)) return;
      await this.#compile(bundle);
      this.#held.set(organisation, { epoch: bundle.epoch, jws });
    } catch (error) {
      this.#options.logger.warn({ err: error, organisation }, 'a stored bundle is damaged; it will be fetched again');
    }
  }
}
