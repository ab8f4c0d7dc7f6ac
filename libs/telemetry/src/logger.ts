import { trace } from '@opentelemetry/api';
import { pino, type Logger as PinoLogger } from 'pino';
import { currentService } from './service-scope.js';

export type Logger = PinoLogger;

export interface LoggerOptions {
  /** `trace` to `fatal`, or `silent`. Default `info`. */
  readonly level?: string;
  /** File descriptor; default 2, so that standard output stays free for results. */
  readonly descriptor?: number;
}

/** JSON lines with service name, trace id and span id of where they were written. */
export function createLogger(options: LoggerOptions = {}): Logger {
  return pino(
    {
      level: options.level ?? 'info',
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      mixin: () => {
        const span = trace.getActiveSpan()?.spanContext();
        return { service: currentService(), ...(span ? { trace_id: span.traceId, span_id: span.spanId } : {}) };
      },
    },
    pino.destination({ dest: options.descriptor ?? 2, sync: true }),
  );
}
