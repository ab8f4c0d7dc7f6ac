/** The OpenTelemetry SDK behind startTelemetry: context, propagation, provider, exporters. */
import { context, propagation, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { type ExportResult, ExportResultCode, W3CTraceContextPropagator } from '@opentelemetry/core';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, type ReadableSpan, type SpanExporter, TracerProvider } from '@opentelemetry/sdk-trace';
import type { Environment } from '@cogmesh/config';
import { attributeNames } from './names.js';
import { serviceOf, type SpanRecord, toSpanRecord } from './span-record.js';
import type { Telemetry, TelemetryOptions } from './start.js';

/** Spans buffered in memory before the oldest are dropped; OpenTelemetry's default is 2,048. */
const MAX_BUFFERED_SPANS = 16_384;
const EXPORT_INTERVAL_MS = 500;

export async function startProvider(options: TelemetryOptions): Promise<Telemetry> {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  const exporter =
    (await otlpExporter(options.environment)) ?? (options.sink ? new SinkExporter(options.sink) : undefined);
  if (!exporter) return { flush: async () => {}, stop: async () => {} };
  const provider = new TracerProvider({
    resource: serviceResource(options.service, options.version),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: new PerServiceResources(exporter, options.version),
        maxQueueSize: MAX_BUFFERED_SPANS,
        scheduledDelayMillis: EXPORT_INTERVAL_MS,
      }),
    ],
  });
  trace.setGlobalTracerProvider(provider);
  return { flush: () => provider.forceFlush(), stop: () => provider.shutdown() };
}

const serviceResource = (service: string, version: string) =>
  resourceFromAttributes({
    [attributeNames.serviceName]: service,
    'service.version': version,
    'service.namespace': 'cogmesh',
  });

async function otlpExporter(environment: Environment): Promise<SpanExporter | undefined> {
  const endpoint = environment['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] ?? environment['OTEL_EXPORTER_OTLP_ENDPOINT'];
  const chosen = environment['OTEL_TRACES_EXPORTER'] ?? (endpoint ? 'otlp' : 'none');
  if (chosen !== 'otlp' || environment['OTEL_SDK_DISABLED'] === 'true') return undefined;
  const protocol = environment['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL'] ?? environment['OTEL_EXPORTER_OTLP_PROTOCOL'];
  if (protocol === 'http/json') {
    const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-http');
    return new OTLPTraceExporter();
  }
  const { OTLPTraceExporter } = await import('@opentelemetry/exporter-trace-otlp-proto');
  return new OTLPTraceExporter();
}

class SinkExporter implements SpanExporter {
  constructor(private readonly sink: (spans: readonly SpanRecord[]) => Promise<void>) {}

  export(spans: ReadableSpan[], done: (result: ExportResult) => void): void {
    this.sink(spans.map(toSpanRecord)).then(
      () => done({ code: ExportResultCode.SUCCESS }),
      (error: Error) => done({ code: ExportResultCode.FAILED, error }),
    );
  }

  async shutdown(): Promise<void> {}
}

/** All in one, one process speaks for five services: each span leaves under the resource of the service that made it. */
class PerServiceResources implements SpanExporter {
  private readonly resources = new Map<string, ReturnType<typeof serviceResource>>();

  constructor(
    private readonly next: SpanExporter,
    private readonly version: string,
  ) {}

  export(spans: ReadableSpan[], done: (result: ExportResult) => void): void {
    this.next.export(
      spans.map(
        (span) => Object.create(span, { resource: { value: this.resourceOf(serviceOf(span)) } }) as ReadableSpan,
      ),
      done,
    );
  }

  private resourceOf(service: string) {
    const known = this.resources.get(service) ?? serviceResource(service, this.version);
    this.resources.set(service, known);
    return known;
  }

  forceFlush(): Promise<void> {
    return this.next.forceFlush?.() ?? Promise.resolve();
  }

  shutdown(): Promise<void> {
    return this.next.shutdown();
  }
}
