/** What agents report on the bus as the engine's own words, and what counted of it as spans. */
import type { workV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import type {
  AcceptedResults,
  Failure,
  ProgressReport,
  ReportedOutcome,
  ResultReport,
  StartedReport,
  Told,
} from '@cogmesh/scheduling-core';
import { traceIdOf } from '@cogmesh/telemetry';
import { isTraced, recordRelease, recordResult, type AcceptedResult } from './attempt-spans.js';

export const startedReport = ({ attemptId, runId, agentId }: workV1.Started): StartedReport => ({
  attemptId,
  runId,
  agentId,
});

export const progressReport = ({ attemptId, runId, dataJson }: workV1.Progress): ProgressReport => ({
  attemptId,
  runId,
  dataJson,
});

export function resultReport(result: workV1.Result): ResultReport<workV1.Result> {
  const { attemptId, runId, agentId, outcome } = result;
  return { attemptId, runId, agentId, outcome: reportedOutcome(outcome), source: result };
}

function reportedOutcome(outcome: workV1.Result['outcome']): ReportedOutcome {
  switch (outcome.case) {
    case 'outputJson':
      return { case: 'output', json: outcome.value };
    case 'returned':
      return { case: 'returned' };
    case 'error': {
      const { code, message, retryable, detailsJson } = outcome.value;
      const details = parsedOrNothing(detailsJson);
      const said = details === undefined ? {} : { details };
      return { case: 'error', code: code === '' ? 'internal' : code, message, retryable, ...said };
    }
    default:
      return {
        case: 'error',
        code: 'internal',
        message: 'the agent reported neither an output nor an error',
        retryable: true,
      };
  }
}

function parsedOrNothing(text: string): unknown {
  if (text === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** One span for each result that counted, and one for what it released; `startMs`: when the reports came. */
export function traceResults({ told, released }: AcceptedResults<workV1.Result>, startMs: number): void {
  const releasing = new Set<string>();
  for (const each of told) {
    if (each.failure === undefined && !isTraced(each.task, each.totalTasks)) continue;
    const span = recordResult(acceptedResult(each, startMs));
    const { runId } = each.task;
    const count = released.get(runId) ?? 0;
    if (count > 0 && !releasing.has(runId)) recordRelease(span, startMs, count);
    releasing.add(runId);
  }
}

function acceptedResult(
  { source, agentId, task, runTraceparent, failure }: Told<workV1.Result>,
  startMs: number,
): AcceptedResult {
  const { error: _stored, ...named } = task;
  const { timing } = source;
  return {
    ...named,
    parent: parentOf(task.traceparent, runTraceparent),
    startMs,
    agentId,
    batchSize: timing?.batchSize ?? 0,
    modelVersion: timing?.modelVersion ?? '',
    variant: timing?.variant ?? '',
    ...(failure === undefined ? {} : { error: errorOf(failure) }),
  };
}

/** The attempt's own dispatch span, or the run's submit span where that was not sampled or is not stored yet. */
function parentOf(dispatch: string | null, run: string): string {
  return dispatch !== null && traceIdOf(dispatch) !== undefined && !dispatch.endsWith('-00') ? dispatch : run;
}

const errorOf = (failure: Failure): Error => new CogmeshError('task_failed', `${failure.code}: ${failure.message}`);
