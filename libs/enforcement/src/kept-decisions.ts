/**
 * Decisions by the policies that are held here. One is kept until the earliest of: the end of what the question rests on, of a
 * grant, the next moment at which time itself may change it, and 30 s; one that came of an error is not kept. Deciding is one
 * step that nothing interrupts, so the same question is never decided twice at once. Neither freshness nor who is revoked is
 * looked at here: both may change while a decision stands.
 */
import { ownerOf, type AccessRequest, type DecisionCode, type Reads } from '@cogmesh/policy-core';
import type { DecisionCache } from './decision-cache.js';
import { decisionKey, valuesRead } from './decision-key.js';
import { decisionTtlMaxMs } from './limits.js';
import type { PolicySource } from './policy-source.js';
import { Verdict } from './verdict.js';

export interface KeptDecisionsOptions {
  readonly source: Pick<PolicySource, 'engine' | 'revocations'>;
  readonly cache: DecisionCache;
}

export interface Decided {
  readonly verdict: Verdict;
  readonly fromCache: boolean;
}

/** Answers that came of something that went wrong. */
const ofErrors: ReadonlySet<DecisionCode> = new Set([
  'deny_rule_failed',
  'invalid_request',
  'stale_policy',
  'unknown_organisation',
  'attribute_unavailable',
]);

const nothing = {};

/** What is known of the resource counts otherwise than what was sent of it, so it stands apart. */
const informedRead = ({ resourceAttributes }: Reads, informed: NonNullable<AccessRequest['informed']>): string =>
  valuesRead(
    { attributes: [], context: [], resourceAttributes },
    { attributes: nothing, context: nothing, resourceAttributes: informed },
  );

export class KeptDecisions {
  readonly #options: KeptDecisionsOptions;

  constructor(options: KeptDecisionsOptions) {
    this.#options = options;
  }

  /** `endsAtMs`: no decision outlives what the question rests on, milliseconds since 1970. */
  decide(request: AccessRequest, endsAtMs = Infinity): Decided {
    const { source, cache } = this.#options;
    const { engine } = source;
    const { subject, nowMs, context = nothing, resourceAttributes = nothing, informed } = request;
    const owner = ownerOf(request.resource) ?? (request.owner || subject.organisation);
    const key = this.#keyOf(request, owner);
    if (key === undefined) return { verdict: new Verdict(engine.decide(request), owner, request), fromCache: false };
    const question = cache.question(key, () => engine.needs(request));
    const sent = valuesRead(question.reads, { attributes: subject.attributes, context, resourceAttributes });
    const values = informed === undefined ? sent : `${sent}|${informedRead(question.reads, informed)}`;
    const known = question.verdictWith(values, nowMs);
    if (known !== undefined) return { verdict: known, fromCache: true };
    const decision = engine.decide(request);
    const verdict = new Verdict(decision, owner, request);
    const expiresAtMs = Math.min(nowMs + decisionTtlMaxMs, endsAtMs, decision.validUntilMs ?? Infinity);
    if (!ofErrors.has(decision.code)) question.keep(verdict, { values, expiresAtMs });
    return { verdict, fromCache: false };
  }

  /** Undefined where nothing is known of one of the organisations. */
  #keyOf({ subject, action, resource }: AccessRequest, owner: string): string | undefined {
    const { engine, revocations } = this.#options.source;
    const callerEpoch = engine.epochOf(subject.organisation);
    const isOwn = owner === subject.organisation;
    const ownerEpoch = isOwn ? callerEpoch : engine.epochOf(owner);
    if (callerEpoch === undefined || ownerEpoch === undefined) return undefined;
    const epochs = { callerEpoch, ownerEpoch, revocations: isOwn ? 0 : revocations.epoch };
    return decisionKey({ ...epochs, owner, subject, action, resource });
  }
}
