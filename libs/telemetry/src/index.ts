export { SpanKind, type Span } from '@opentelemetry/api';
export { createLogger, type Logger, type LoggerOptions } from './logger.js';
export { attributeNames, spanNames, type SpanName } from './names.js';
export { bindService, currentService, inService, setProcessService } from './service-scope.js';
export { fromOtlp, toOtlp, type OtlpTraces } from './otlp-json.js';
export { toSpanRecord, type SpanRecord } from './span-record.js';
export {
  currentTraceparent,
  failSpan,
  recordSpan,
  startSpan,
  untraced,
  withSpan,
  type RecordedSpan,
  type SpanOptions,
} from './spans.js';
export { startTelemetry, type Telemetry, type TelemetryOptions } from './start.js';
export { openTraceStore, type TraceStore, type TraceStoreLimits } from './trace-store.js';
export { formatTraceparent, parseTraceparent, traceIdOf } from './traceparent.js';
