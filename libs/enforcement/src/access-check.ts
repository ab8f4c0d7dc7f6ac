/**
 * Checks the rights of a permit against the local policies: every right must be allowed now, whatever the gateway was told when it minted,
 * and nothing of the subject may be revoked. A decision is kept until the earliest of: the end of the permit, of a grant it rests on, of what
 * is known of the subject and of the resource, the next moment at which time itself may change it, and 30 s; one that came of an error is not kept. Deciding
 * is one step that nothing interrupts, so the same question is never decided twice at once.
 */
import { CogmeshError } from '@cogmesh/errors';
import { ownerOf, parseResourcePath, type AccessRequest, type Decision, type DecisionCode } from '@cogmesh/policy-core';
import type { Access, OutsideSubject } from '@cogmesh/rpc';
import type { DecisionCache } from './decision-cache.js';
import { decisionKey, valuesRead } from './decision-key.js';
import { decisionTtlMaxMs, permitAccessMax } from './limits.js';
import type { LoggedDecision } from './log/record.js';
import { enforceable } from './obligations.js';
import type { PolicySource } from './policy-source.js';
import { revokedError } from './revocation-book.js';

export interface AccessCheckOptions {
  readonly source: PolicySource;
  readonly cache: DecisionCache;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export interface AccessQuestion {
  readonly subject: OutsideSubject;
  readonly access: readonly Access[];
  /** Types of obligations that the permit says are met. */
  readonly met?: readonly string[];
  /** When the permit ends, milliseconds since 1970; no decision outlives it. */
  readonly expiresAtMs: number;
  /** Told every decision, the one that refuses included. */
  readonly onDecision?: ((decision: LoggedDecision) => void) | undefined;
}

export interface AccessAnswer {
  /** How many of the decisions came from the cache. */
  readonly cached: number;
  /** Highest owner epoch that decided. */
  readonly epoch: number;
}

export class AccessCheck {
  readonly #options: AccessCheckOptions;

  constructor(options: AccessCheckOptions) {
    this.#options = options;
  }

  /** Throws `stale_policy`, `revoked`, or `permission_denied` with the decision's code, rules and reason for the first right that is refused. */
  check({ subject, access, met, expiresAtMs, onDecision }: AccessQuestion): AccessAnswer {
    const { source, now } = this.#options;
    source.assertFresh();
    const revocation = source.revocations.find(subject, now());
    if (revocation !== undefined) throw revokedError(revocation);
    if (access.length === 0 || access.length > permitAccessMax) {
      throw new CogmeshError(
        'invalid_permit',
        `the permit names ${access.length} rights; it must name 1 to ${permitAccessMax}`,
      );
    }
    let cached = 0;
    let epoch = 0;
    for (const right of access) {
      const { decision: found, fromCache, owner } = this.#decide(subject, right, expiresAtMs);
      const decision = enforceable(found, met);
      onDecision?.(logged(right, { decision, fromCache, owner }));
      if (!decision.allowed) throw denied(right, decision);
      cached += fromCache ? 1 : 0;
      epoch = Math.max(epoch, decision.epoch);
    }
    return { cached, epoch };
  }

  #decide(subject: OutsideSubject, right: Access, permitEndsAtMs: number): Decided {
    const { source, cache, now } = this.#options;
    const { engine } = source;
    const nowMs = now();
    const resource = parseResourcePath(right.resource);
    const { untilMs, ...known } = informedNow(right, nowMs);
    const request: AccessRequest = { subject, action: right.action, resource, nowMs, ...known };
    const owner = ownerOf(resource) ?? subject.organisation;
    const callerEpoch = engine.epochOf(subject.organisation);
    const ownerEpoch = engine.epochOf(owner);
    if (callerEpoch === undefined || ownerEpoch === undefined)
      return { decision: engine.decide(request), fromCache: false, owner };
    const key = decisionKey({
      callerEpoch,
      ownerEpoch,
      revocations: owner === subject.organisation ? 0 : source.revocations.epoch,
      owner,
      subject,
      action: right.action,
      resource: right.resource,
    });
    const question = cache.question(key, () => engine.needs(request));
    const values = valuesRead(question.reads, {
      attributes: subject.attributes,
      context: nothing,
      resourceAttributes: known.informed ?? nothing,
    });
    const kept = question.decisionWith(values, nowMs);
    if (kept !== undefined) return { decision: kept, fromCache: true, owner };
    const decision = engine.decide(request);
    const expiresAtMs = Math.min(nowMs + decisionTtlMaxMs, permitEndsAtMs, untilMs, decision.validUntilMs ?? Infinity);
    if (!ofErrors.has(decision.code)) question.keep(decision, { values, expiresAtMs });
    return { decision, fromCache: false, owner };
  }
}

/** What the permit says of the resource, while it counts; nothing once it is too old. */
function informedNow({ informed }: Access, nowMs: number): Pick<AccessRequest, 'informed'> & { untilMs: number } {
  if (informed === undefined || nowMs >= informed.untilMs) return { untilMs: Infinity };
  return { informed: informed.attributes, untilMs: informed.untilMs };
}

/** A permit brings no context, and of the resource only what was asked when it was decided about. */
const nothing = {};

/** Answers that came of something that went wrong. */
const ofErrors: ReadonlySet<DecisionCode> = new Set([
  'deny_rule_failed',
  'invalid_request',
  'stale_policy',
  'unknown_organisation',
  'attribute_unavailable',
]);

interface Decided {
  readonly decision: Decision;
  readonly fromCache: boolean;
  readonly owner: string;
}

function logged({ action, resource }: Access, { decision, fromCache, owner }: Decided): LoggedDecision {
  const { allowed, code, reason, rules, epoch, grantId } = decision;
  return { action, resource, owner, allowed, code, reason, rules, epoch, grantId, cached: fromCache };
}

function denied(right: Access, decision: Decision): CogmeshError {
  return new CogmeshError('permission_denied', `${right.action} on ${right.resource} is denied: ${decision.reason}`, {
    decision: decision.code,
    action: right.action,
    resource: right.resource,
    rules: decision.rules,
    epoch: decision.epoch,
  });
}
