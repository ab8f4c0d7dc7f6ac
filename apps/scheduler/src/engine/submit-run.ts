/** Takes a run document in: validates, checks the rights it needs, stores it durably, then wakes the dispatcher. */
import { createHash } from 'node:crypto';
import type { Database, SqlRunner } from '@cogmesh/database';
import { CogmeshError, toCogmeshError, type Issue } from '@cogmesh/errors';
import { accessNeededBy, parseRun, suggestion, type NeededAccess, type RunPlan } from '@cogmesh/scheduling-core';
import { splitCapability } from '@cogmesh/routing-core';
import { earlierSubmission, storeSubmission, type Submission, type Submitted } from '../adapters/sql-submissions.js';
import type { AgentDirectory } from './agent-directory.js';
import { noEffects } from './effects.js';
import type { Engine } from './engine.js';
import type { InputSchemas } from './input-schemas.js';
import type { Limits } from './limits.js';
import type { QueuedTasks } from './queued-tasks.js';
import type { EngineSettings } from './settings.js';

export interface SubmitRequest {
  readonly documentJson: string;
  readonly idempotencyKey: string;
  readonly organisation: string;
  readonly submittedBy: string;
  /** Of the submit span. */
  readonly traceparent: string;
  readonly callerTraceparent: string;
  /** Throws `permission_denied` unless every right is held. */
  readonly requireAccess: (needed: readonly NeededAccess[]) => void | Promise<void>;
  /** Schedule that fires it. */
  readonly scheduleId?: string;
  /** Stores more in the run's own transaction, before the run; throws to store nothing. */
  readonly before?: (tx: SqlRunner, runId: string) => Promise<void>;
}

export interface SubmitContext {
  readonly database: Database;
  readonly engine: Engine;
  readonly directory: AgentDirectory;
  readonly limits: Limits;
  readonly queued: QueuedTasks;
  readonly settings: EngineSettings;
  readonly refuseUnknownModels: boolean;
  readonly inputSchemas: Pick<InputSchemas, 'assertPossible'>;
  readonly newRunId: () => string;
}

const maxIdempotencyKeyLength = 255;

export function checkIdempotencyKey(key: string): void {
  if (key.length > maxIdempotencyKeyLength)
    throw new CogmeshError('invalid_argument', `an idempotency key has at most ${maxIdempotencyKeyLength} characters`);
}

export async function submitRun(context: SubmitContext, request: SubmitRequest): Promise<Submitted> {
  const { organisation, documentJson, idempotencyKey } = request;
  checkIdempotencyKey(idempotencyKey);
  const plan = await checkDocument(context, request);
  const { submittedBy, traceparent, callerTraceparent, scheduleId } = request;
  const submission: Submission = {
    runId: context.newRunId(),
    organisation,
    submittedBy,
    plan,
    traceparent,
    callerTraceparent,
    idempotencyKey,
    requestSha256: createHash('sha256').update(documentJson).digest('hex'),
    ...(scheduleId === undefined ? {} : { scheduleId }),
  };
  return acceptSubmission(context, submission, request.before);
}

/** Stores a run that has been checked, and wakes the dispatcher. */
export async function acceptSubmission(
  context: SubmitContext,
  submission: Submission,
  before?: SubmitRequest['before'],
): Promise<Submitted> {
  const submitted = await admitted(context, submission, () =>
    storeSubmission(context.database, submission, before).catch((error: unknown) => {
      // It may have been stored although nobody heard of it; the ready order is then rebuilt.
      if (toCogmeshError(error).code === 'unavailable') context.engine.doubt();
      throw error;
    }),
  );
  const effects = noEffects();
  effects.ready.push(...submitted.ready);
  if (submitted.open === 0 && !submitted.replayed) effects.finalise.push(submitted.runId);
  effects.soonestTimerMs = submitted.timerInMs;
  context.engine.apply(effects);
  return submitted;
}

/** Everything that can be said of a document without storing it. */
export async function checkDocument(
  { settings, refuseUnknownModels: refuses, directory, inputSchemas }: SubmitContext,
  { documentJson, organisation, requireAccess }: Pick<SubmitRequest, 'documentJson' | 'organisation' | 'requireAccess'>,
): Promise<RunPlan> {
  const { limits, defaults } = settings;
  const plan = parseRun(documentJson, { organisation, limits, defaults });
  await requireAccess(accessNeededBy(plan, organisation));
  if (refuses) refuseUnknownModels(plan, directory);
  await inputSchemas.assertPossible(plan);
  return plan;
}

/** Stores the run if its organisation may have so many tasks; `rate_limited` otherwise. */
function admitted(
  { database, limits, queued }: SubmitContext,
  submission: Submission,
  store: () => Promise<Submitted>,
): Promise<Submitted> {
  const { organisation, plan, origin } = submission;
  const { maxQueued = 0 } = limits.find({ kind: 'organisation', organisation, name: organisation })?.limits ?? {};
  const earlier = (): Promise<Submitted | undefined> => earlierSubmission(database, submission);
  return queued.admit({
    organisation,
    tasks: plan.tasks.length - (origin?.adopted.size ?? 0),
    maxQueued,
    earlier,
    store,
  });
}

/**
 * A model that no agent has ever offered under that name is a mistake to report now. While no agent offers any model at
 * all (workers are still starting) nothing can be said, and the run waits.
 */
function refuseUnknownModels(plan: RunPlan, directory: AgentDirectory): void {
  const offered = new Set<string>();
  for (const { state, capabilities } of directory.agents()) {
    if (state === 'LOST' || state === 'GONE') continue;
    for (const { name } of capabilities) if (name.startsWith('model:')) offered.add(splitCapability(name).name);
  }
  if (offered.size === 0) return;
  const issues = unknownModels(plan, offered, 'tasks');
  const [first] = issues;
  if (first) throw new CogmeshError('unknown_model', `${first.path}: ${first.message}`, { issues });
}

function unknownModels(plan: RunPlan, offered: ReadonlySet<string>, path: string): Issue[] {
  return plan.tasks.flatMap(({ uses, nested }, index) => {
    if (nested) return unknownModels(nested, offered, `${path}[${index}].document.tasks`);
    const { name } = splitCapability(uses);
    if (!uses.startsWith('model:') || offered.has(name)) return [];
    const message = `no agent offers ${name}${suggestion(name, offered)}`;
    return [{ path: `${path}[${index}].uses`, code: 'unknown_model', message }];
  });
}
