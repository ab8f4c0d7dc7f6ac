/**
 * What one attempt rests on, decided as of now: whoever submitted it is not revoked, and the policies allow what it does to the roles and
 * attributes that their token had. Bindings, inheritance, entities, topology and partner grants are those of the newest epoch held.
 * Of work that was stored before roles were kept only what holds for every subject of the organisation is asked.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { GrantedAttempt, Submitter } from '@cogmesh/identity';
import { ownerOf, parseResourcePath, type AccessSubject, type DecisionCode } from '@cogmesh/policy-core';
import type { Access } from '@cogmesh/rpc';
import { AccessCheck } from './access-check.js';
import { DecisionCache } from './decision-cache.js';
import type { LoggedDecision } from './log/record.js';
import type { PolicySource } from './policy-source.js';
import { revokedError } from './revocation-book.js';

export interface TaskVerdict {
  readonly attempt: GrantedAttempt;
  readonly allowed: boolean;
  /** `allowed`, or the decision's. */
  readonly code: string;
  readonly reason: string;
  /** Code of the refusal where it is not the decision's own. */
  readonly error?: string;
  /** Whom it was decided about; absent where nobody is known. */
  readonly subject?: AccessSubject;
  readonly decision: LoggedDecision;
}

export interface TaskRights {
  /** Throws `stale_policy` when the policies are too old, and nothing for an attempt that is refused. */
  verdictOn(attempt: GrantedAttempt, grantEndsAtMs: number): TaskVerdict;
  /** What is refused whoever submitted it. */
  refusedAs(attempt: GrantedAttempt, why: { readonly code: string; readonly reason: string }): TaskVerdict;
}

export interface TaskRightsOptions {
  readonly source: PolicySource;
  readonly decisionCacheEntries: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

type KnownSubject = Submitter & Required<Pick<Submitter, 'roles' | 'attributes'>>;

export function createTaskRights({ source, decisionCacheEntries, now }: TaskRightsOptions): TaskRights {
  const access = new AccessCheck({ source, cache: new DecisionCache(decisionCacheEntries), now });

  function assertMay(attempt: GrantedAttempt, expiresAtMs: number, onDecision: (made: LoggedDecision) => void): void {
    const { submitter, organisation } = attempt;
    if (isKnown(submitter)) {
      const { met = [], ...who } = submitter;
      access.check({ subject: { ...who, organisation }, access: [rightOf(attempt)], met, expiresAtMs, onDecision });
      return;
    }
    const revocation = submitter && source.revocations.find(submitter, now());
    if (revocation !== undefined) throw revokedError(revocation);
    requireOrganisation(attempt, source, now());
  }

  return {
    refusedAs: (attempt, why) => ({ attempt, ...why, allowed: false, decision: outcomeOf(attempt, source, why) }),
    verdictOn: (attempt, grantEndsAtMs) => {
      const { submitter, organisation } = attempt;
      const subject = isKnown(submitter) ? { ...submitter, organisation } : undefined;
      let made: LoggedDecision | undefined;
      try {
        assertMay(attempt, grantEndsAtMs, (decision) => void (made = decision));
        return { attempt, ...good, allowed: true, decision: { ...outcomeOf(attempt, source, good), allowed: true } };
      } catch (thrown) {
        if (!(thrown instanceof CogmeshError) || thrown.code === 'stale_policy') throw thrown;
        const reason = subject === undefined ? thrown.message : `${subject.sub} may not any more: ${thrown.message}`;
        const code = String(thrown.details['decision'] ?? thrown.code);
        const decision = { ...(made ?? outcomeOf(attempt, source, { code: thrown.code, reason })), reason };
        const about = subject === undefined ? {} : { subject };
        return { attempt, allowed: false, code, error: thrown.code, reason, decision, ...about };
      }
    },
  };
}

const good = { code: 'allowed', reason: 'the grant covers these attempts' };

const isKnown = (submitter: Submitter | undefined): submitter is KnownSubject =>
  submitter?.roles !== undefined && submitter.attributes !== undefined;

/** `infer` on the model or tool; what belongs to nobody rests on the right to start runs. */
function rightOf({ capability }: GrantedAttempt): Access {
  const resource = resourceOf(capability);
  return resource === undefined ? { action: 'create', resource: '/runs' } : { action: 'infer', resource };
}

/** The entry of an attempt that no decision of its own is told of: a refusal, until somebody says otherwise. */
function outcomeOf(
  { capability, organisation }: GrantedAttempt,
  { engine }: PolicySource,
  { code, reason }: { readonly code: string; readonly reason: string },
): LoggedDecision {
  const path = resourceOf(capability);
  const owner = (path === undefined ? undefined : ownerOf(parseResourcePath(path))) ?? organisation;
  const epoch = engine.epochOf(owner) ?? 0;
  return { action: 'infer', resource: path ?? capability, owner, allowed: false, code, reason, rules: [], epoch };
}

/** Refusals that hold for every subject of the organisation, whatever its roles. */
const independentOfRoles: ReadonlySet<DecisionCode> = new Set(['unknown_organisation', 'no_grant', 'grant_expired']);

function requireOrganisation(attempt: GrantedAttempt, { engine }: PolicySource, nowMs: number): void {
  const { organisation, capability } = attempt;
  const path = resourceOf(capability);
  if (path === undefined) {
    if (engine.epochOf(organisation) !== undefined) return;
    throw new CogmeshError('permission_denied', `there is no organisation "${organisation}" any more`);
  }
  const subject = { issuer: 'cogmesh:task', sub: attempt.attemptId, organisation, roles: [], attributes: {} };
  const decision = engine.decide({ subject, action: 'infer', resource: parseResourcePath(path), nowMs });
  if (!decision.allowed && independentOfRoles.has(decision.code)) {
    throw new CogmeshError('permission_denied', decision.reason, { decision: decision.code });
  }
}

/** `model:acme/x@4.0.0` -> `/models/acme/x`; undefined for what belongs to nobody (`script`). */
function resourceOf(capability: string): string | undefined {
  const [, type, name] = /^(model|tool):([^@]+)(?:@|$)/.exec(capability) ?? [];
  return type === undefined ? undefined : `/${type}s/${name}`;
}
