/**
 * What the owner of a shard is asked by schedulers that are not. Each is applied at least once: what has happened already
 * changes nothing. Bodies and answers are JSON; reports travel as they came, in base64.
 */
import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { workV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import {
  answerApproval,
  cancelRun,
  pauseRun,
  renewLeases,
  resumeRun,
  setPriority,
  type Answer as ApprovalAnswer,
  type Engine,
  type PriorityChange,
  type ScopeName,
  type TaskRef,
  type Waiting,
} from '@cogmesh/scheduling-core';
import type { ScopeUsage } from '../engine/explain-waiting.js';
import { shardMoved, type CommandHandlers } from './commands.js';

interface Command<Body, Answer> {
  readonly body: Body;
  readonly answer: Answer;
}

interface OfRun {
  readonly runId: string;
}

export interface SchedulerCommands {
  /** A stored run of the shard is to be worked on. */
  readonly adopt: Command<OfRun, null>;
  readonly cancel: Command<OfRun & { readonly reason: string }, null>;
  readonly pause: Command<OfRun & { readonly by: string; readonly reason: string }, null>;
  readonly resume: Command<OfRun & { readonly by: string }, null>;
  readonly priority: Command<OfRun & PriorityChange, null>;
  /** Answers how many more have to approve. */
  readonly signal: Command<TaskRef & { readonly answer: ApprovalAnswer }, number>;
  readonly explain: Command<{ readonly ref: TaskRef; readonly organisation: string }, Waiting | null>;
  /** Answers attempts that nobody wants any more. */
  readonly renew: Command<{ readonly attemptIds: readonly string[] }, readonly string[]>;
  /** Batches in base64. */
  readonly started: Command<string, null>;
  readonly results: Command<string, null>;
  readonly usage: Command<{ readonly scopes: readonly ScopeName[] }, readonly ScopeUsage[]>;
}

export interface CommandParts {
  readonly engine: Engine;
  readonly leaseMs: number;
  readonly explain: (ref: TaskRef, organisation: string) => Promise<Waiting | undefined>;
  readonly usageOf: (scope: ScopeName) => ScopeUsage;
  readonly onStarted: (batch: workV1.StartedBatch) => Promise<unknown>;
  readonly onResults: (batch: workV1.ResultBatch) => Promise<unknown>;
}

export function schedulerCommands(parts: CommandParts): CommandHandlers<SchedulerCommands> {
  const { engine, leaseMs, explain, usageOf, onStarted, onResults } = parts;
  const owned = whileOwned(engine);
  return {
    adopt: owned(({ runId }) => engine.adoptStored(runId).then(nothing)),
    cancel: owned(({ runId, reason }) =>
      engine.transact([runId], (unit) => {
        for (const run of unit.runs) cancelRun(unit, run, reason);
        return null;
      }),
    ),
    pause: owned(({ runId, ...said }) => pauseRun(engine, runId, said).then(nothing)),
    resume: owned(({ runId, ...said }) => resumeRun(engine, runId, said).then(nothing)),
    priority: owned(({ runId, ...change }) => setPriority(engine, runId, change).then(nothing)),
    signal: owned(({ answer, ...ref }) => signal(engine, ref, answer)),
    explain: owned(async ({ ref, organisation }) => (await explain(ref, organisation)) ?? null),
    renew: owned(({ attemptIds }) => renewed(engine, attemptIds, leaseMs)),
    started: owned((text) => onStarted(unpacked(workV1.StartedBatchSchema, text)).then(nothing)),
    results: owned((text) => onResults(unpacked(workV1.ResultBatchSchema, text)).then(nothing)),
    usage: ({ scopes }) => Promise.resolve(scopes.map(usageOf)),
  };
}

const nothing = (): null => null;

/**
 * A handler that finds nothing to do may find so because the shard has gone meanwhile: it counts only when the shard was ours
 * from before it began until after it ended.
 */
function whileOwned(engine: Engine) {
  return <Body, Answer>(handle: (body: Body) => Promise<Answer>) =>
    async (body: Body, shard: number): Promise<Answer> => {
      const epoch = engine.owned.get(shard);
      const hasMoved = (): boolean => epoch === undefined || engine.owned.get(shard) !== epoch;
      if (hasMoved()) throw shardMoved(shard);
      try {
        const answer = await handle(body);
        if (hasMoved()) throw shardMoved(shard);
        return answer;
      } catch (thrown) {
        throw hasMoved() ? shardMoved(shard) : thrown;
      }
    };
}

/** What nobody wants any more is told only by who certainly owns its shard: an agent stops working on it. */
export async function renewed(engine: Engine, attemptIds: readonly string[], leaseMs: number): Promise<string[]> {
  const unknown = renewLeases(engine, attemptIds, leaseMs);
  if (unknown.length > 0) await engine.verified();
  return unknown;
}

function signal(engine: Engine, ref: TaskRef, answer: ApprovalAnswer): Promise<number> {
  return engine.transact([ref.runId], (unit, outcomes) => {
    const task = unit.task(ref);
    const item = ref.itemIndex < 0 ? '' : `[${ref.itemIndex}]`;
    if (!task) throw new CogmeshError('not_found', `run ${ref.runId} has no task ${ref.taskId}${item}`);
    return answerApproval(unit, outcomes, { task, answer });
  });
}

export function packed<Schema extends DescMessage>(schema: Schema, message: MessageShape<Schema>): string {
  return Buffer.from(toBinary(schema, message)).toString('base64');
}

const unpacked = <Schema extends DescMessage>(schema: Schema, text: string): MessageShape<Schema> =>
  fromBinary(schema, Buffer.from(text, 'base64'));
