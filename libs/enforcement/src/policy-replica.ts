/**
 * This process's copy of the signed policies and revocations. It asks the policy service again and again; a signed heartbeat bound to the
 * question's nonce says which epochs are current, and only when every one of them is held does the answer count as fresh. Fresh ends
 * `maxStalenessMs` after the last such question was asked, on a monotonic clock: from then on every check is refused.
 * Epochs never go back, across restarts too. What is on disk serves only once a heartbeat has confirmed it.
 *
 * With `holdMs` the policy service may keep a question until there is news, so that a change arrives when it happens.
 */
import { randomBytes } from 'node:crypto';
import { CogmeshError } from '@cogmesh/errors';
import type { HeartbeatClaims, InsideTokenVerifier } from '@cogmesh/identity';
import { DecisionEngine } from '@cogmesh/policy-core';
import type { Logger } from '@cogmesh/telemetry';
import type { BundleStore } from './bundle-store.js';
import { HeldBundles } from './held-bundles.js';
import { consistencyWaitMs } from './limits.js';
import type { ConsistencyPoint, PolicySource } from './policy-source.js';
import { RefusedUpdates, refusalReasonOf, type RefusedUpdate } from './refused-updates.js';
import { RevocationBook } from './revocation-book.js';

export interface BundleQuestion {
  readonly knownEpochs: Record<string, bigint>;
  readonly nonce: string;
  readonly knownRevocations: bigint;
  /** How long an answer without news may be held back, milliseconds. */
  readonly waitMs: number;
  readonly deltas: boolean;
  readonly refused: readonly RefusedUpdate[];
}

export interface BundleAnswer {
  readonly bundlesJws: readonly string[];
  readonly heartbeatJws: string;
  readonly deltasJws?: readonly string[];
  /** Empty or absent: nothing new was revoked. */
  readonly revocationsJws?: string;
  /** Organisations about which the policy service wants to be asked itself. */
  readonly watched?: readonly string[];
}

export interface PolicyReplicaOptions {
  /** PolicyService.GetBundle; rejects when there is no answer in time, which is `waitMs` later than usual. */
  readonly fetch: (question: BundleQuestion, signal: AbortSignal) => Promise<BundleAnswer>;
  readonly verifier: Pick<
    InsideTokenVerifier,
    'verifyBundle' | 'verifyBundleDelta' | 'verifyHeartbeat' | 'verifyPartnerGrant' | 'verifyRevocations'
  >;
  readonly store: BundleStore;
  readonly logger: Logger;
  readonly pollIntervalMs: number;
  readonly maxStalenessMs: number;
  /** 0 asks for an answer at once. */
  readonly holdMs?: number;
  /** Milliseconds that never jump. Default: `performance.now`. */
  readonly monotonicNow?: () => number;
  /** Milliseconds since 1970, for what expires. Default: the system clock. */
  readonly now?: () => number;
}

/** What came of one question. */
type Outcome = 'news' | 'nothing' | 'failed' | 'interrupted';

export class PolicyReplica implements PolicySource {
  readonly engine = new DecisionEngine();
  readonly revocations = new RevocationBook();
  readonly #options: PolicyReplicaOptions;
  readonly #monotonicNow: () => number;
  readonly #now: () => number;
  readonly #refused: RefusedUpdates;
  readonly #held: HeldBundles;
  readonly #listeners = new Set<() => void>();
  #highestRevocations = 0;
  #watched: ReadonlySet<string> = new Set();
  #confirmedAtMs: number | undefined;
  #lastProblem = 'the policy service has not answered yet';
  #unsaved = new Set<string>();
  #revocationsUnsaved = false;
  #timer: NodeJS.Timeout | undefined;
  #polling: Promise<void> | undefined;
  /** Beside the questions: a disk that takes its time must not make the policies stale. */
  #saving: Promise<void> = Promise.resolve();
  #interrupt: AbortController | undefined;
  #pokedMeanwhile = false;
  #stopped = false;

  constructor(options: PolicyReplicaOptions) {
    const { verifier, logger } = options;
    this.#options = options;
    this.#monotonicNow = options.monotonicNow ?? (() => performance.now());
    this.#now = options.now ?? Date.now;
    this.#refused = new RefusedUpdates(logger, this.#now);
    const { engine, revocations } = this;
    this.#held = new HeldBundles({ engine, verifier, revocations, refused: this.#refused, logger, now: this.#now });
  }

  /** Loads what is on disk and starts to ask. Resolves after the first attempt, whatever came of it, and what it brought is on disk. */
  async start(): Promise<void> {
    await this.#loadStored();
    await this.poke();
    await this.#saving;
  }

  /** Asks now: for the hint that something was published. Resolves when an attempt that began after this call is over. */
  async poke(): Promise<void> {
    if (this.#stopped) return;
    if (this.#polling !== undefined) {
      this.#interrupt?.abort();
      this.#pokedMeanwhile = true;
      await this.#polling;
      if (!this.#pokedMeanwhile || this.#stopped) return this.#polling;
    }
    this.#pokedMeanwhile = false;
    return this.#begin(0);
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

  /** The policy service holds a candidate of this organisation against each decision: it has to make them itself. */
  isWatched(organisation: string): boolean {
    return this.#watched.has(organisation);
  }

  /** How often something was refused since the start, by reason. */
  refusals(): ReturnType<RefusedUpdates['totals']> {
    return this.#refused.totals();
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  async confirm(): Promise<boolean> {
    const calledAtMs = this.#monotonicNow();
    await this.poke();
    return this.#confirmedAtMs !== undefined && this.#confirmedAtMs >= calledAtMs;
  }

  async atLeast(wanted: ConsistencyPoint): Promise<void> {
    if (this.#has(wanted)) return;
    const arrived = Promise.withResolvers<void>();
    const stop = this.onChange(() => {
      if (this.#has(wanted)) arrived.resolve();
    });
    const tooLate = setTimeout(() => arrived.resolve(), consistencyWaitMs).unref();
    try {
      await Promise.race([this.poke().then(() => (this.#has(wanted) ? undefined : arrived.promise)), arrived.promise]);
    } finally {
      stop();
      clearTimeout(tooLate);
    }
    if (this.#has(wanted)) return;
    throw new CogmeshError(
      'stale_policy',
      'the write that this call must see has not arrived here; try again shortly',
      {
        retryAfterSeconds: 1,
      },
    );
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#interrupt?.abort();
    clearTimeout(this.#timer);
    await this.#polling;
    await this.#saving;
  }

  #has({ epochs, revocations }: ConsistencyPoint): boolean {
    if (this.revocations.epoch < revocations) return false;
    return Object.entries(epochs).every(([name, epoch]) => (this.#held.highest.get(name) ?? 0) >= epoch);
  }

  #begin(waitMs: number): Promise<void> {
    clearTimeout(this.#timer);
    const beganAtMs = this.#monotonicNow();
    const interrupt = new AbortController();
    // Only a question that may be held back is worth interrupting.
    this.#interrupt = waitMs > 0 ? interrupt : undefined;
    this.#polling = this.#attempt(waitMs, interrupt.signal).then((outcome) => {
      this.#polling = undefined;
      if (this.#stopped) return;
      const delayMs = this.#delayAfter(outcome, { waitMs, tookMs: this.#monotonicNow() - beganAtMs });
      this.#timer = setTimeout(() => this.#next(), delayMs).unref();
    });
    return this.#polling;
  }

  #next(): void {
    if (this.#polling === undefined && !this.#stopped) void this.#begin(this.#options.holdMs ?? 0);
  }

  /** A question that is held back is followed by the next at once, if it brought news or lasted as long as the interval. */
  #delayAfter(outcome: Outcome, { waitMs, tookMs }: { waitMs: number; tookMs: number }): number {
    const { pollIntervalMs, holdMs = 0 } = this.#options;
    const always = holdMs >= pollIntervalMs;
    if (always && outcome === 'interrupted') return 0;
    if (always && outcome === 'news') return 0;
    if (always && outcome === 'nothing' && waitMs === 0) return 0;
    return waitMs > 0 ? Math.max(0, pollIntervalMs - tookMs) : pollIntervalMs;
  }

  async #attempt(waitMs: number, signal: AbortSignal): Promise<Outcome> {
    try {
      return (await this.#poll(waitMs, signal)) ? 'news' : 'nothing';
    } catch (error) {
      if (signal.aborted) return 'interrupted';
      const problem = error instanceof Error ? error.message : String(error);
      if (problem !== this.#lastProblem) this.#options.logger.warn({ err: error }, 'policies were not refreshed');
      this.#lastProblem = problem;
      return 'failed';
    }
  }

  /** Whether it brought something new. */
  async #poll(waitMs: number, signal: AbortSignal): Promise<boolean> {
    const askedAtMs = this.#monotonicNow();
    const question = { ...this.#question(), waitMs };
    const answer = await untilAborted(this.#options.fetch(question, signal), signal);
    const heartbeat = await this.#options.verifier.verifyHeartbeat(answer.heartbeatJws, question.nonce);
    this.#refused.told();
    this.#refuseRollback(heartbeat);
    const taken = await this.#take(answer, heartbeat);
    const missing = this.#held.missing(heartbeat) ?? this.#missingRevocations(heartbeat);
    if (taken && missing === undefined) for (const listener of this.#listeners) listener();
    // A large answer comes in parts: ask for the next as long as each brings something.
    if (missing !== undefined && taken && !this.#stopped) return this.#poll(0, signal);
    if (missing !== undefined) throw new CogmeshError('data_loss', missing);
    this.#watched = new Set(answer.watched);
    this.#confirmedAtMs = askedAtMs;
    this.#lastProblem = 'the policy service does not answer';
    this.#saving = this.#saving.then(() => this.#save());
    return taken;
  }

  #question(): Omit<BundleQuestion, 'waitMs'> {
    return {
      knownEpochs: this.#held.known(),
      nonce: randomBytes(16).toString('hex'),
      knownRevocations: BigInt(this.revocations.epoch),
      deltas: this.#held.takesDeltas,
      refused: this.#refused.untold(),
    };
  }

  #refuseRollback(heartbeat: HeartbeatClaims): void {
    this.#held.refuseRollback(heartbeat);
    const { revocations = 0 } = heartbeat;
    if (revocations >= this.#highestRevocations) return;
    const detail = `the policy service went back to epoch ${revocations} of the revocations; ${this.#highestRevocations} was seen`;
    this.#refused.note('rollback', { epoch: revocations }, detail);
    throw new CogmeshError('conflict', detail);
  }

  async #take(answer: BundleAnswer, heartbeat: HeartbeatClaims): Promise<boolean> {
    // Revocations first: they only take away.
    let news = await this.#takeRevocations(answer.revocationsJws ?? '', heartbeat);
    const offers = [
      ...answer.bundlesJws.map((jws) => this.#held.take.bind(this.#held, jws)),
      ...(answer.deltasJws ?? []).map((jws) => this.#held.takeDelta.bind(this.#held, jws)),
    ];
    for (const offer of offers) {
      const organisation = await offer(heartbeat);
      if (organisation === undefined) continue;
      this.#unsaved.add(organisation);
      news = true;
    }
    for (const gone of this.#held.forgetRemoved(heartbeat)) {
      this.#unsaved.add(gone);
      news = true;
    }
    return news;
  }

  async #takeRevocations(jws: string, { revocations = 0 }: HeartbeatClaims): Promise<boolean> {
    if (jws === '') return false;
    try {
      const list = await this.#options.verifier.verifyRevocations(jws);
      if (list.epoch > revocations)
        throw new CogmeshError(
          'conflict',
          `a list of revocations has epoch ${list.epoch}, the heartbeat says ${revocations}`,
        );
      const before = this.revocations.epoch;
      const changes = this.revocations.apply(list);
      this.#highestRevocations = Math.max(this.#highestRevocations, this.revocations.epoch);
      this.#revocationsUnsaved ||= this.revocations.epoch > before;
      const ofGrants = changes.filter(({ kind, issuer }) => kind === 'grant' || issuer.startsWith('org:'));
      this.#held.reviewGrants(new Set(ofGrants.map(({ organisation }) => organisation)));
      return this.revocations.epoch > before;
    } catch (error) {
      if (!(error instanceof CogmeshError)) throw error;
      const reason = error.code === 'conflict' ? 'out_of_order' : refusalReasonOf(error, jws);
      this.#refused.note(reason, { epoch: revocations }, error.message);
      return false;
    }
  }

  #missingRevocations({ revocations = 0 }: HeartbeatClaims): string | undefined {
    if (this.revocations.epoch === revocations) return undefined;
    return `the policy service named epoch ${revocations} of the revocations but did not send it`;
  }

  /** A disk that refuses costs protection after a restart, not the decisions of now: tried again at the next poll. */
  async #save(): Promise<void> {
    if (this.#unsaved.size === 0 && !this.#revocationsUnsaved) return;
    const [names, isNewlyRevoked] = [[...this.#unsaved], this.#revocationsUnsaved];
    this.#unsaved = new Set();
    this.#revocationsUnsaved = false;
    const texts = names.map((name) => [name, this.#held.signedTexts(name)] as const);
    try {
      await this.#options.store.save({
        epochs: this.#held.highest,
        revocations: this.#highestRevocations,
        bundles: new Map(texts.flatMap(([name, text]) => (text === undefined ? [] : [[name, text] as const]))),
        removed: texts.flatMap(([name, text]) => (text === undefined ? [name] : [])),
      });
    } catch (error) {
      for (const name of names) this.#unsaved.add(name);
      this.#revocationsUnsaved ||= isNewlyRevoked;
      this.#options.logger.error({ err: error }, 'bundles could not be saved');
    }
  }

  async #loadStored(): Promise<void> {
    const { epochs, revocations, bundles } = await this.#options.store.load();
    this.#highestRevocations = revocations;
    this.#held.restoreHighest(epochs);
    for (const [organisation, texts] of bundles) await this.#held.restore(organisation, texts);
  }
}

function untilAborted<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(new CogmeshError('cancelled', 'asked again'));
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  return Promise.race([answer, aborted.promise]).finally(() => signal.removeEventListener('abort', abort));
}
