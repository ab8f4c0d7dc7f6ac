/**
 * The verified bundles of one enforcement point and what they put into its engine. A bundle is taken when the heartbeat names its epoch
 * and that epoch is not behind the highest ever seen; a delta when it starts at what is held and ends at what was signed. Everything else is
 * refused and noted, and what was held stays. A document that does not compile denies its own organisation and nobody else.
 */
import { CogmeshError, toCogmeshError } from '@cogmesh/errors';
import type { BundleClaims, HeartbeatClaims, InsideTokenVerifier } from '@cogmesh/identity';
import type { DecisionEngine, OrganisationPolicies } from '@cogmesh/policy-core';
import type { Logger } from '@cogmesh/telemetry';
import { applyChange } from './bundle-delta.js';
import { policiesOfBundle, withoutRevoked } from './bundle-policies.js';
import { deltasPerBundleMax } from './limits.js';
import { refusalReasonOf, type RefusalReason, type RefusedUpdates } from './refused-updates.js';
import type { Revocations } from './revocation-book.js';

export interface HeldBundlesParts {
  readonly engine: DecisionEngine;
  readonly verifier: Pick<InsideTokenVerifier, 'verifyBundle' | 'verifyBundleDelta' | 'verifyPartnerGrant'>;
  readonly revocations: Revocations;
  readonly refused: RefusedUpdates;
  readonly logger: Logger;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

interface Held {
  readonly epoch: number;
  readonly document: unknown;
  /** The bundle, then the deltas on top of it. */
  readonly jws: readonly string[];
  readonly expiresAtMs: number;
  /** From when a newer signature is asked for. */
  readonly renewAtMs: number;
  /** Absent when the document does not compile: held, so that it is not fetched again, but it decides nothing. */
  readonly compiled: OrganisationPolicies | undefined;
}

/** Of its life, how much passes before a bundle is asked for anew. */
const renewAfter = 0.75;

export class HeldBundles {
  readonly #parts: HeldBundlesParts;
  readonly #held = new Map<string, Held>();
  readonly #highest = new Map<string, number>();

  constructor(parts: HeldBundlesParts) {
    this.#parts = parts;
  }

  /** Highest epoch ever accepted, by organisation, removed ones included. */
  get highest(): ReadonlyMap<string, number> {
    return this.#highest;
  }

  /** What need not be sent, by organisation. */
  known(): Record<string, bigint> {
    const now = this.#parts.now();
    const current = [...this.#held].filter(([, { renewAtMs }]) => now < renewAtMs);
    return Object.fromEntries(current.map(([name, { epoch }]) => [name, BigInt(epoch)]));
  }

  /** Whether deltas can be put on top of everything that is held. */
  get takesDeltas(): boolean {
    return [...this.#held.values()].every(({ jws }) => jws.length <= deltasPerBundleMax);
  }

  /** For the disk: the signed texts of an organisation, one a line; undefined when it is not held. */
  signedTexts(organisation: string): string | undefined {
    return this.#held.get(organisation)?.jws.join('\n');
  }

  restoreHighest(epochs: ReadonlyMap<string, number>): void {
    for (const [organisation, epoch] of epochs) this.#highest.set(organisation, epoch);
  }

  /** What was on disk, if it is what was seen last. */
  async restore(organisation: string, texts: string): Promise<void> {
    const [first = '', ...deltas] = texts.split('\n');
    try {
      let bundle = await this.#parts.verifier.verifyBundle(first);
      for (const jws of deltas) bundle = await this.#changed(bundle, jws);
      if (bundle.organisation !== organisation)
        return this.#refuse('wrong_organisation', bundle, `the bundle stored for ${organisation} is another's`);
      if (bundle.epoch !== this.#highest.get(organisation))
        return this.#refuse(
          'rollback',
          bundle,
          `epoch ${String(bundle.epoch)} of ${organisation} is stored; another was seen`,
        );
      await this.#install(bundle, [first, ...deltas]);
    } catch (thrown) {
      const error = toCogmeshError(thrown);
      this.#refuse(refusalReasonOf(error, first), { organisation, epoch: 0 }, `what is stored: ${error.message}`);
    }
  }

  /** Throws `conflict` when the policy service, by its heartbeat, went back. */
  refuseRollback({ epochs }: HeartbeatClaims): void {
    for (const [organisation, epoch] of Object.entries(epochs)) {
      const highest = this.#highest.get(organisation) ?? 0;
      if (epoch >= highest) continue;
      const detail = `the policy service went back to epoch ${String(epoch)} of ${organisation}; ${String(highest)} was seen`;
      this.#refuse('rollback', { organisation, epoch }, detail);
      throw new CogmeshError('conflict', detail);
    }
  }

  /** The organisation it brought something new for; undefined when it brought nothing or was refused. */
  async take(jws: string, heartbeat: HeartbeatClaims): Promise<string | undefined> {
    return this.#taken(jws, heartbeat, async () => ({
      bundle: await this.#parts.verifier.verifyBundle(jws),
      texts: [jws],
    }));
  }

  /** As `take`, for the change of what is held. */
  async takeDelta(jws: string, heartbeat: HeartbeatClaims): Promise<string | undefined> {
    return this.#taken(jws, heartbeat, async () => {
      const { organisation, base } = await this.#parts.verifier.verifyBundleDelta(jws);
      const held = this.#held.get(organisation);
      if (held === undefined || held.epoch !== base)
        throw new OutOfOrder(
          `a change of ${organisation} starts at epoch ${String(base)}; ${String(held?.epoch ?? 0)} is held`,
        );
      const bundle = await this.#changed({ organisation, epoch: base, policies: held.document }, jws);
      return { bundle, texts: [...held.jws, jws] };
    });
  }

  /** Organisations that are no more. */
  forgetRemoved({ epochs }: HeartbeatClaims): readonly string[] {
    const gone = [...this.#held.keys()].filter((organisation) => !Object.hasOwn(epochs, organisation));
    for (const organisation of gone) {
      this.#parts.engine.remove(organisation);
      this.#held.delete(organisation);
    }
    return gone;
  }

  /** What of the heartbeat is not held, or held and over, as a sentence. */
  missing({ epochs }: HeartbeatClaims): string | undefined {
    const now = this.#parts.now();
    for (const [organisation, epoch] of Object.entries(epochs)) {
      const held = this.#held.get(organisation);
      if (held?.epoch !== epoch)
        return `the policy service named epoch ${String(epoch)} of ${organisation} but did not send it`;
      if (held.expiresAtMs <= now)
        return `epoch ${String(epoch)} of ${organisation} has expired and was not sent again`;
    }
    return undefined;
  }

  /** Looks at the grants of these organisations again, after revocations changed. */
  reviewGrants(organisations: ReadonlySet<string>): void {
    for (const organisation of organisations) {
      const compiled = this.#held.get(organisation)?.compiled;
      if (compiled !== undefined) this.#enforce(compiled);
    }
  }

  async #changed(bundle: BundleClaims, jws: string): Promise<BundleClaims> {
    const delta = await this.#parts.verifier.verifyBundleDelta(jws);
    if (delta.organisation !== bundle.organisation || delta.base !== bundle.epoch)
      throw new OutOfOrder(`a change of epoch ${String(delta.base)} does not follow epoch ${String(bundle.epoch)}`);
    const { organisation, epoch, expiresAtMs } = delta;
    const policies = applyChange(bundle.policies, delta);
    return { organisation, epoch, policies, ...(expiresAtMs === undefined ? {} : { expiresAtMs }) };
  }

  async #taken(
    jws: string,
    heartbeat: HeartbeatClaims,
    read: () => Promise<{ bundle: BundleClaims; texts: readonly string[] }>,
  ): Promise<string | undefined> {
    try {
      const { bundle, texts } = await read();
      if (!this.#isExpected(bundle, heartbeat)) return undefined;
      await this.#install(bundle, texts);
      return bundle.organisation;
    } catch (thrown) {
      if (thrown instanceof OutOfOrder) this.#refuse('out_of_order', {}, thrown.message);
      else {
        const error = toCogmeshError(thrown);
        if (error.code === 'internal') throw thrown;
        this.#refuse(error.code === 'data_loss' ? 'unusable' : refusalReasonOf(error, jws), {}, error.message);
      }
      return undefined;
    }
  }

  #isExpected(bundle: BundleClaims, { epochs }: HeartbeatClaims): boolean {
    const { organisation, epoch } = bundle;
    const named = Object.hasOwn(epochs, organisation) ? epochs[organisation] : undefined;
    const about = `a bundle of ${organisation} has epoch ${String(epoch)}`;
    if (named === undefined)
      this.#refuse('wrong_organisation', bundle, `${about}, and the heartbeat knows no such organisation`);
    else if (epoch < (this.#highest.get(organisation) ?? 0))
      this.#refuse('rollback', bundle, `${about}, and a later one was seen`);
    else if (epoch !== named) this.#refuse('out_of_order', bundle, `${about}, the heartbeat says ${String(named)}`);
    else return this.#isNews(bundle);
    return false;
  }

  /** A later epoch, or a later signature of the same. */
  #isNews({ organisation, epoch, expiresAtMs = Infinity }: BundleClaims): boolean {
    const held = this.#held.get(organisation);
    return held === undefined || held.epoch < epoch || (held.epoch === epoch && held.expiresAtMs < expiresAtMs);
  }

  async #install(bundle: BundleClaims, jws: readonly string[]): Promise<void> {
    const { organisation, epoch, expiresAtMs = Infinity } = bundle;
    const held = this.#held.get(organisation);
    const compiled = held?.epoch === epoch ? held.compiled : await this.#compile(bundle, held?.compiled);
    const now = this.#parts.now();
    const renewAtMs = now + (expiresAtMs - now) * renewAfter;
    this.#held.set(organisation, { epoch, document: bundle.policies, jws, expiresAtMs, renewAtMs, compiled });
    this.#highest.set(organisation, Math.max(epoch, this.#highest.get(organisation) ?? 0));
  }

  async #compile(bundle: BundleClaims, earlier?: OrganisationPolicies): Promise<OrganisationPolicies | undefined> {
    const { engine, logger, verifier } = this.#parts;
    const about = { organisation: bundle.organisation, epoch: bundle.epoch };
    try {
      const { policies, refusedGrants } = await policiesOfBundle(bundle, verifier, earlier?.document);
      if (refusedGrants.length > 0) logger.warn({ ...about, refusedGrants }, 'partner grants were left out');
      this.#enforce(policies);
      return policies;
    } catch (thrown) {
      engine.remove(bundle.organisation);
      logger.error({ ...about, err: thrown }, 'a bundle cannot be used; everything of this organisation is denied');
      this.#parts.refused.note('unusable', about, toCogmeshError(thrown).message);
      return undefined;
    }
  }

  #enforce(policies: OrganisationPolicies): void {
    const { engine, revocations, now } = this.#parts;
    engine.replace(withoutRevoked(policies, revocations, now()));
  }

  #refuse(reason: RefusalReason, about: { organisation?: string; epoch?: number }, detail: string): void {
    this.#parts.refused.note(reason, about, detail);
  }
}

class OutOfOrder extends Error {}
