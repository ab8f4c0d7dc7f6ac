/**
 * The spans of one attempt that the scheduler owns: queue wait, dispatch, result. All are children of the submit span, whose
 * traceparent the run stores; the dispatch span travels in the work message. Large runs are sampled: above `sampleAbove`
 * tasks only some successes are traced, failures always.
 */
import { createHash } from 'node:crypto';
import { attributeNames, failSpan, recordSpan, spanNames, startSpan } from '@cogmesh/telemetry';
import type { TaskRow } from '@cogmesh/scheduling-core';

/** Tasks of a run that are all traced; contract.md, Traces. */
const sampleAbove = 500;

type Named = Pick<TaskRow, 'runId' | 'taskId' | 'itemIndex' | 'organisation'>;

export function isTraced(task: Named, totalTasks: number): boolean {
  if (totalTasks <= sampleAbove) return true;
  const oneIn = Math.ceil(totalTasks / sampleAbove);
  const digest = createHash('sha256').update(`${task.runId} ${task.taskId} ${task.itemIndex}`).digest();
  return digest.readUInt32BE(0) % oneIn === 0;
}

/** The same trace, marked as not sampled, so that agents make no spans for it. */
export function unsampled(traceparent: string): string {
  return traceparent.replace(/-[0-9a-f]{2}$/, '-00');
}

export function taskAttributes(task: Named): Record<string, string | number> {
  return {
    [attributeNames.organisation]: task.organisation,
    [attributeNames.runId]: task.runId,
    [attributeNames.taskId]: task.taskId,
    ...(task.itemIndex < 0 ? {} : { [attributeNames.taskIndex]: task.itemIndex }),
  };
}

export interface Claimed extends Named {
  readonly attemptId: string;
  readonly attempt: number;
  readonly capability: string;
  readonly agentId: string | null;
  readonly readyAt: number | null;
  readonly claimedAt: number | null;
}

export interface DispatchSpan {
  readonly traceparent: string;
  /** Ends the span; an error marks it failed. */
  end(error?: unknown): void;
}

export function beginDispatch(claimed: Claimed, runTraceparent: string): DispatchSpan {
  const attributes = {
    ...taskAttributes(claimed),
    [attributeNames.attemptId]: claimed.attemptId,
    [attributeNames.attempt]: claimed.attempt,
    [attributeNames.capability]: claimed.capability,
    ...(claimed.agentId === null ? {} : { [attributeNames.agentId]: claimed.agentId }),
  };
  const claimedAt = claimed.claimedAt ?? Date.now();
  const startMs = claimed.readyAt ?? claimedAt;
  recordSpan({
    name: spanNames.queueWait,
    parent: runTraceparent,
    startMs,
    endMs: claimedAt,
    attributes: { ...attributes, [attributeNames.queueWaitMs]: Math.max(0, claimedAt - startMs) },
  });
  const { span, traceparent } = startSpan(spanNames.dispatch, { parent: runTraceparent, attributes });
  return {
    traceparent,
    end(error) {
      if (error !== undefined) failSpan(span, error);
      span.end();
    },
  };
}

export interface AcceptedResult extends Named {
  readonly parent: string;
  readonly startMs: number;
  readonly attempt: number;
  readonly agentId: string;
  readonly state: string;
  readonly batchSize: number;
  readonly modelVersion: string;
  readonly variant: string;
  readonly error?: Error;
}

export function recordResult(result: AcceptedResult): string {
  return recordSpan({
    name: spanNames.result,
    parent: result.parent,
    startMs: result.startMs,
    endMs: Date.now(),
    attributes: {
      ...taskAttributes(result),
      [attributeNames.taskState]: result.state,
      [attributeNames.attempt]: result.attempt,
      [attributeNames.agentId]: result.agentId,
      ...(result.batchSize > 0 ? { [attributeNames.batchSize]: result.batchSize } : {}),
      ...(result.modelVersion === '' ? {} : { [attributeNames.modelVersion]: result.modelVersion }),
      ...(result.variant === '' ? {} : { [attributeNames.modelVariant]: result.variant }),
    },
    ...(result.error === undefined ? {} : { error: result.error }),
  });
}

/** Children of a result that became ready. */
export function recordRelease(parent: string, startMs: number, released: number): void {
  recordSpan({
    name: spanNames.release,
    parent,
    startMs,
    endMs: Date.now(),
    attributes: { [attributeNames.released]: released },
  });
}
