/** Takes a run document in: validates, checks the rights it needs, stores it durably, then wakes the dispatcher. */
import { createHash } from 'node:crypto';
import type { Database, SqlRunner } from '@cogmesh/database';
import { CogmeshError, toCogmeshError, type Issue } from '@cogmesh/errors';
import {
  accessNeededBy,
  newRun,
  parseRun,
  suggestion,
  type Engine,
  type Limits,
  type LoadedRun,
  type NeededAccess,
  type NewRun,
  type QueuedTasks,
  type RunPlan,
  type Submission,
} from '@cogmesh/scheduling-core';
import { splitCapability } from '@cogmesh/routing-core';
import { earlierSubmission, openTasks, storeSubmission, type StoredSubmission } from '../adapters/sql-submissions.js';
import type { CommandRouter } from '../replicas/command-router.js';
import type { Placement } from '../replicas/placement.js';
import type { SchedulerCommands } from '../replicas/scheduler-commands.js';
import type { AgentDirectory } from './agent-directory.js';
import type { InputSchemas } from './input-schemas.js';
import type { EngineSettings } from './settings.js';

export interface SubmitRequest {
  readonly documentJson: string;
  readonly idempotencyKey: string;
  readonly organisation: string;
  readonly submittedBy: string;
  /** As submitterText writes it. */
  readonly submitter?: string;
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
  readonly placement: Pick<Placement, 'shardOf' | 'isWhole'>;
  readonly commands: Pick<CommandRouter<SchedulerCommands>, 'command' | 'stored'>;
}

/** What became of a submit. */
export interface Submitted extends Pick<StoredSubmission, 'runId' | 'replayed'> {
  /** The new run as it was stored, when that is all there is of it. */
  readonly stored: { readonly born: NewRun; readonly rows: LoadedRun } | undefined;
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
  const { submittedBy, submitter, traceparent, callerTraceparent, scheduleId } = request;
  const runId = context.newRunId();
  const submission: Submission = {
    runId,
    organisation,
    shard: context.placement.shardOf(organisation, runId),
    submittedBy,
    ...(submitter === undefined ? {} : { submitter }),
    plan,
    traceparent,
    callerTraceparent,
    idempotencyKey,
    requestSha256: createHash('sha256').update(documentJson).digest('hex'),
    ...(scheduleId === undefined ? {} : { scheduleId }),
  };
  return acceptSubmission(context, submission, request.before);
}

/** Stores a run that has been checked, and hands it to the engine. */
export async function acceptSubmission(
  context: SubmitContext,
  submission: Submission,
  before?: SubmitRequest['before'],
): Promise<Submitted> {
  // Memory may learn of the run from the store first, and must not forget it before it is handed in as it was born.
  const handedIn = context.engine.residents.expect(submission.runId);
  try {
    return await storeAndAdopt(context, submission, before);
  } finally {
    handedIn();
  }
}

async function storeAndAdopt(
  context: SubmitContext,
  submission: Submission,
  before: SubmitRequest['before'],
): Promise<Submitted> {
  const { engine, database, settings, commands } = context;
  const { shard } = submission;
  const born = newRun(submission, { now: engine.now(), ageingMs: settings.ageingMs });
  const command = commands.command(shard, 'adopt', { runId: submission.runId });
  const submitted = await admitted(context, born, () => {
    const epoch = engine.owned.get(shard);
    return storeSubmission(database, born, { owner: { epoch, command }, before }).catch((error: unknown) => {
      // It may have been stored although nobody heard of it; memory is then read anew.
      if (epoch !== undefined && toCogmeshError(error).code === 'unavailable') engine.doubt(error);
      throw error;
    });
  });
  const { runId, replayed, isElsewhere, born: whole } = submitted;
  // The engine goes on with these very rows; what the caller is told is what is stored.
  const stored = whole && {
    born: whole,
    rows: { run: { ...whole.run }, tasks: whole.tasks.map((task) => ({ ...task })) },
  };
  if (isElsewhere) commands.stored([shard]);
  else if (whole) engine.adopt(whole);
  else if (!replayed) await engine.adoptStored(runId);
  return { runId, replayed, stored };
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
async function admitted(
  { database, limits, queued, placement }: SubmitContext,
  { submission, tasks }: NewRun,
  store: () => Promise<StoredSubmission>,
): Promise<StoredSubmission> {
  const { organisation } = submission;
  const { maxQueued = 0 } = limits.find({ kind: 'organisation', organisation, name: organisation })?.limits ?? {};
  // Others count what they decide for.
  const counted = (submitted: StoredSubmission) => {
    return { ...submitted, open: submitted.replayed || submitted.isElsewhere ? 0 : tasks.length };
  };
  const isKnown = maxQueued === 0 || placement.isWhole(organisation);
  return queued.admit({
    organisation,
    tasks: tasks.length,
    maxQueued,
    ...(isKnown ? {} : { known: await openTasks(database, organisation) }),
    earlier: async () => {
      const known = await earlierSubmission(database, submission);
      return known && counted(known);
    },
    store: async () => counted(await store()),
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
