/**
 * Whether work received from the broker may be done: the scheduler's grant names this agent or the queue of these capabilities, lists each
 * attempt with the same capability and input digest, has not expired, nobody who submitted it is revoked, and the policies still know the
 * organisations and the partner grant the work rests on. Roles are not in a grant, so rules that ask for them were decided when the run was submitted and are not asked again.
 */
import { CogmeshError, toCogmeshError } from '@cogmesh/errors';
import type { GrantedAttempt, InsideTokenVerifier, TaskGrantClaims } from '@cogmesh/identity';
import { ownerOf, parseResourcePath, type DecisionCode } from '@cogmesh/policy-core';
import type { DecisionLog } from './log/decision-log.js';
import { recordTasks, type CheckedTask } from './log/record-tasks.js';
import type { PolicySource } from './policy-source.js';
import { revokedError } from './revocation-book.js';

export interface PresentedAttempt {
  readonly attemptId: string;
  readonly capability: string;
  /** SHA-256 of the input JSON's UTF-8 bytes, lower-case hexadecimal. */
  readonly inputSha256: string;
}

export interface TaskGrantQuestion {
  readonly grantJws: string;
  /** The agent that received the work. */
  readonly agentId: string;
  readonly attempts: readonly PresentedAttempt[];
}

export interface TaskGrantAnswer {
  readonly allowed: boolean;
  /** `allowed`; `stale_policy`: return the work unstarted; anything else: refuse it. */
  readonly code: string;
  readonly reason: string;
}

export type CheckTaskGrant = (question: TaskGrantQuestion) => Promise<TaskGrantAnswer>;

export interface TaskGrantCheckOptions {
  readonly verifier: Pick<InsideTokenVerifier, 'verifyTaskGrant'>;
  readonly source: PolicySource;
  /** Told what genuine grants were good for and what not. */
  readonly log?: DecisionLog | undefined;
  /** Milliseconds since 1970. Default: the system clock. */
  readonly now?: () => number;
}

/** Answers, never throws for what a stranger may have put into a message. */
export function createTaskGrantCheck(options: TaskGrantCheckOptions): CheckTaskGrant {
  const { verifier, source, log } = options;
  return async (question) => {
    try {
      const grant = await verifier.verifyTaskGrant(question.grantJws);
      const answer = checkGrant(grant, question, options);
      // What is stale was not decided.
      if (log === undefined || answer.code === 'stale_policy') return answer;
      return await recordTasks(log, question.agentId, tasksOf(grant, question, source), answer).then(
        () => answer,
        unkept,
      );
    } catch (thrown) {
      return refusal(thrown);
    }
  };
}

/** The work is as good as before, and goes back as it came. */
function unkept(thrown: unknown): TaskGrantAnswer {
  return { allowed: false, code: 'stale_policy', reason: toCogmeshError(thrown).message };
}

function checkGrant(
  grant: TaskGrantClaims,
  question: TaskGrantQuestion,
  { source, now = Date.now }: TaskGrantCheckOptions,
): TaskGrantAnswer {
  try {
    const granted = grantedAttempts(grant, question);
    source.assertFresh();
    for (const attempt of granted) requirePolicy(attempt, source, now());
    return { allowed: true, code: 'allowed', reason: 'the grant covers these attempts' };
  } catch (thrown) {
    return refusal(thrown);
  }
}

function refusal(thrown: unknown): TaskGrantAnswer {
  const error = toCogmeshError(thrown);
  if (error.code === 'internal') throw thrown;
  return { allowed: false, code: error.code, reason: error.message };
}

/** The attempts of the grant that were presented; all of them when none was. */
function tasksOf({ attempts }: TaskGrantClaims, question: TaskGrantQuestion, { engine }: PolicySource): CheckedTask[] {
  const presented = new Set(question.attempts.map(({ attemptId }) => attemptId));
  const meant = attempts.filter(({ attemptId }) => presented.has(attemptId));
  return (meant.length === 0 ? attempts : meant).map(({ organisation, capability }) => {
    const path = resourceOf(capability);
    const owner = (path === undefined ? undefined : ownerOf(parseResourcePath(path))) ?? organisation;
    return { organisation, resource: path ?? capability, owner, epoch: engine.epochOf(owner) ?? 0 };
  });
}

function grantedAttempts(
  grant: TaskGrantClaims,
  { agentId, attempts }: Pick<TaskGrantQuestion, 'agentId' | 'attempts'>,
): readonly GrantedAttempt[] {
  if (attempts.length === 0) throw refused('no attempt was presented');
  if (grant.agent !== undefined && grant.agent !== agentId)
    throw refused(`it is for ${grant.agent}, not for ${agentId}`);
  const byId = new Map(grant.attempts.map((attempt) => [attempt.attemptId, attempt]));
  return attempts.map((presented) => {
    const granted = byId.get(presented.attemptId);
    if (granted === undefined) throw refused(`it does not list attempt ${presented.attemptId}`);
    if (granted.capability !== presented.capability)
      throw refused(`attempt ${presented.attemptId} is for another capability`);
    if (granted.inputSha256 !== presented.inputSha256)
      throw refused(`attempt ${presented.attemptId} has another input`);
    if (grant.queue !== undefined && grant.queue !== sharedQueueOf(granted.capability)) {
      throw refused(`it is for the queue ${grant.queue}, not for work on ${granted.capability}`);
    }
    return granted;
  });
}

/** `inference_tasks.<capability>`, with what a queue's name cannot hold replaced by `_`. */
export function sharedQueueOf(capability: string): string {
  return `inference_tasks.${capability.replaceAll(/[^A-Za-z0-9._-]/g, '_')}`;
}

const refused = (why: string): CogmeshError =>
  new CogmeshError('invalid_grant', `the task grant does not cover this work: ${why}`);

/** Refusals that hold for every subject of the organisation, whatever its roles. */
const independentOfRoles: ReadonlySet<DecisionCode> = new Set(['unknown_organisation', 'no_grant', 'grant_expired']);

function requirePolicy(attempt: GrantedAttempt, { engine, revocations }: PolicySource, nowMs: number): void {
  const revocation = attempt.submitter && revocations.find(attempt.submitter, nowMs);
  if (revocation !== undefined) throw revokedError(revocation);
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
