import type { SpanRecord } from '@cogmesh/telemetry';
import { CogmeshError } from '@cogmesh/errors';
import { getRun } from './get-run.js';
import type { Operation } from './operation.js';
import type { OperationPorts } from './ports.js';

export interface GetTraceInput {
  readonly runId: string;
}

export interface Trace {
  readonly traceId: string;
  /** By start time. */
  readonly spans: readonly SpanRecord[];
}

type Ports = Pick<OperationPorts, 'decisions' | 'calls' | 'scheduler' | 'traces'>;

/** The spans of a run the caller may read. Rejects with `unimplemented` where this gateway keeps no traces. */
export function getTrace(ports: Ports): Operation<GetTraceInput, Trace> {
  const readRun = getRun(ports);
  return async (request) => {
    const { run } = await readRun(request);
    if (ports.traces === undefined) {
      throw new CogmeshError(
        'unimplemented',
        'this gateway keeps no traces; set COGMESH_TRACE_STORE, or look in the back end that OTEL_EXPORTER_OTLP_ENDPOINT names',
        { traceId: run?.traceId ?? '' },
      );
    }
    const traceId = run?.traceId ?? '';
    return { traceId, spans: traceId === '' ? [] : await ports.traces.read(traceId) };
  };
}
