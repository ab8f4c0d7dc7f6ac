/**
 * Starts tracing for this process. Where spans go is decided by the standard OTEL_* variables; without them they go to
 * the sink the host gives (the embedded trace store), or nowhere. The SDK and its exporters are loaded only when used.
 */
import type { Environment } from '@cogmesh/config';
import { setProcessService } from './service-scope.js';
import type { SpanRecord } from './span-record.js';

export interface TelemetryOptions {
  readonly service: string;
  readonly version: string;
  readonly environment: Environment;
  /** Receives finished spans in batches when no OTEL_* exporter is configured. */
  readonly sink?: (spans: readonly SpanRecord[]) => Promise<void>;
}

export interface Telemetry {
  /** Exports what is buffered. */
  flush(): Promise<void>;
  stop(): Promise<void>;
}

export async function startTelemetry(options: TelemetryOptions): Promise<Telemetry> {
  setProcessService(options.service);
  const { startProvider } = await import('./provider.js');
  return startProvider(options);
}
