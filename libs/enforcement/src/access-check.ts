/**
 * Checks the rights of a permit against the local policies: every right must be allowed now, whatever the gateway was told when it minted,
 * and nothing of the subject may be revoked. No decision outlives the permit.
 */
import { CogmeshError } from '@cogmesh/errors';
import { parseResourcePath, type AccessRequest, type Decision, type Resource } from '@cogmesh/policy-core';
import type { Access, OutsideSubject } from '@cogmesh/rpc';
import type { DecisionCache } from './decision-cache.js';
import { Generations } from './generations.js';
import { KeptDecisions, type Decided } from './kept-decisions.js';
import { permitAccessMax } from './limits.js';
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
  readonly #decisions: KeptDecisions;
  readonly #resources = new Generations<Resource>(resourcesMax);

  constructor(options: AccessCheckOptions) {
    this.#options = options;
    this.#decisions = new KeptDecisions(options);
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
      const decided = this.#decide(subject, right, expiresAtMs);
      const decision = enforceable(decided.verdict.decision, met);
      onDecision?.(logged(decided, decision));
      if (!decision.allowed) throw denied(right, decision);
      cached += decided.fromCache ? 1 : 0;
      epoch = Math.max(epoch, decision.epoch);
    }
    return { cached, epoch };
  }

  #decide(subject: OutsideSubject, right: Access, permitEndsAtMs: number): Decided {
    const nowMs = this.#options.now();
    const { untilMs, ...known } = informedNow(right, nowMs);
    const request = { subject, action: right.action, resource: this.#resourceAt(right.resource), nowMs, ...known };
    return this.#decisions.decide(request, Math.min(permitEndsAtMs, untilMs));
  }

  #resourceAt(path: string): Resource {
    let resource = this.#resources.get(path);
    if (resource === undefined) this.#resources.set(path, (resource = parseResourcePath(path)));
    return resource;
  }
}

/** What the permit says of the resource, while it counts; nothing once it is too old. */
function informedNow({ informed }: Access, nowMs: number): Pick<AccessRequest, 'informed'> & { untilMs: number } {
  if (informed === undefined || nowMs >= informed.untilMs) return { untilMs: Infinity };
  return { informed: informed.attributes, untilMs: informed.untilMs };
}

/** Paths that are not read again. */
const resourcesMax = 10_000;

/** An obligation that cannot be met makes the entry another one than the decision's own. */
function logged({ verdict, fromCache }: Decided, enforced: Decision): LoggedDecision {
  const entry = verdict.logged(fromCache);
  if (enforced === verdict.decision) return entry;
  const { allowed, code, reason } = enforced;
  return { ...entry, allowed, code, reason };
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
