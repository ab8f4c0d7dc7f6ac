/**
 * Whether work received from the broker may be done: the scheduler's grant names this agent or the queue of these capabilities, lists each
 * attempt with the same capability and input digest, and has not expired; and for each attempt, whoever submitted it may still do so as of now:
 * not revoked, and `infer` on the model or tool (for a script: `create` on `/runs`) allowed by the newest policies to the roles and attributes
 * that the token had. One attempt that is refused takes no other with it.
 *
 * A refusal ends a task for good, so it is given only once the policy service has confirmed that nothing newer is on its way; until it
 * has, the work goes back unstarted.
 */
import { CogmeshError, toCogmeshError } from '@cogmesh/errors';
import type { GrantedAttempt, InsideTokenVerifier, TaskGrantClaims } from '@cogmesh/identity';
import type { DecisionLog } from './log/decision-log.js';
import { recordTasks } from './log/record-tasks.js';
import type { PolicySource } from './policy-source.js';
import { createTaskRights, type TaskRights, type TaskVerdict } from './task-rights.js';

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

/** An attempt that may not be done, under a grant that is good. */
export interface RefusedAttempt {
  readonly attemptId: string;
  readonly code: string;
  readonly reason: string;
}

export interface TaskGrantAnswer {
  /** Whether all of it may be done. */
  readonly allowed: boolean;
  /** `allowed`; `stale_policy`: return the work unstarted; anything else: refuse it. */
  readonly code: string;
  readonly reason: string;
  /** Where the grant is good: the attempts that are refused; the others may be done. */
  readonly refused?: readonly RefusedAttempt[];
}

export type CheckTaskGrant = (question: TaskGrantQuestion) => Promise<TaskGrantAnswer>;

/** What stands against one attempt; undefined when it may be done. */
export function refusalOf(
  { allowed, code, reason, refused = [] }: TaskGrantAnswer,
  attemptId: string,
): Pick<RefusedAttempt, 'code' | 'reason'> | undefined {
  if (allowed) return undefined;
  return refused.length === 0 ? { code, reason } : refused.find((each) => each.attemptId === attemptId);
}

export interface TaskGrantCheckOptions {
  readonly verifier: Pick<InsideTokenVerifier, 'verifyTaskGrant'>;
  readonly source: PolicySource;
  /** Decisions about submitters kept; 0 keeps none. Default 0. */
  readonly decisionCacheEntries?: number;
  /** Told what genuine grants were good for and what not. */
  readonly log?: DecisionLog | undefined;
  /** Milliseconds since 1970. Default: the system clock. */
  readonly now?: () => number;
}

/** Answers, never throws for what a stranger may have put into a message. */
export function createTaskGrantCheck(options: TaskGrantCheckOptions): CheckTaskGrant {
  const { verifier, source, log, decisionCacheEntries = 0, now = Date.now } = options;
  const rights = createTaskRights({ source, decisionCacheEntries, now });
  return async (question) => {
    try {
      const grant = await verifier.verifyTaskGrant(question.grantJws);
      const { answer, verdicts } = await check(grant, question, { rights, source });
      // What is stale was not decided.
      if (log === undefined || answer.code === 'stale_policy') return answer;
      return await recordTasks(log, question.agentId, verdicts).then(() => answer, unkept);
    } catch (thrown) {
      return refusal(thrown);
    }
  };
}

/** The work is as good as before, and goes back as it came. */
const unkept = (thrown: unknown): TaskGrantAnswer => stale(toCogmeshError(thrown).message);

const stale = (reason: string): TaskGrantAnswer => ({ allowed: false, code: 'stale_policy', reason });

interface Checked {
  readonly answer: TaskGrantAnswer;
  readonly verdicts: readonly TaskVerdict[];
}

async function check(
  grant: TaskGrantClaims,
  question: TaskGrantQuestion,
  { rights, source }: { readonly rights: TaskRights; readonly source: PolicySource },
): Promise<Checked> {
  let granted: readonly GrantedAttempt[];
  try {
    granted = grantedAttempts(grant, question);
  } catch (thrown) {
    const answer = refusal(thrown);
    return { answer, verdicts: presented(grant, question).map((attempt) => rights.refusedAs(attempt, answer)) };
  }
  source.assertFresh();
  const verdicts = granted.map((attempt) => rights.verdictOn(attempt, grant.expiresAtMs));
  if (verdicts.every(({ allowed }) => allowed)) return { answer: covered, verdicts };
  if (!(await source.confirm()))
    return { answer: stale('a refusal could not be confirmed by the policy service; try again shortly'), verdicts: [] };
  source.assertFresh();
  const confirmed = granted.map((attempt) => rights.verdictOn(attempt, grant.expiresAtMs));
  return { answer: answerOf(confirmed), verdicts: confirmed };
}

const covered: TaskGrantAnswer = { allowed: true, code: 'allowed', reason: 'the grant covers these attempts' };

function answerOf(verdicts: readonly TaskVerdict[]): TaskGrantAnswer {
  const refused = verdicts.filter(({ allowed }) => !allowed).map(toRefused);
  const [first] = refused;
  return first === undefined ? covered : { allowed: false, code: first.code, reason: first.reason, refused };
}

const toRefused = ({ attempt: { attemptId }, error, code, reason }: TaskVerdict): RefusedAttempt => ({
  attemptId,
  code: error ?? code,
  reason,
});

function refusal(thrown: unknown): TaskGrantAnswer {
  const error = toCogmeshError(thrown);
  if (error.code === 'internal') throw thrown;
  return { allowed: false, code: error.code, reason: error.message };
}

/** The attempts of the grant that were presented; all of them when none was. */
function presented({ attempts }: TaskGrantClaims, question: TaskGrantQuestion): readonly GrantedAttempt[] {
  const ids = new Set(question.attempts.map(({ attemptId }) => attemptId));
  const meant = attempts.filter(({ attemptId }) => ids.has(attemptId));
  return meant.length === 0 ? attempts : meant;
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
