/** Spans as OTLP/JSON (opentelemetry-proto, ExportTraceServiceRequest), for anyone to check with their own tools. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SpanRecord } from '@cogmesh/telemetry';

export async function writeOtlp(folder: string, traceId: string, spans: readonly SpanRecord[]): Promise<string> {
  await mkdir(folder, { recursive: true });
  const file = join(folder, `${traceId}.json`);
  await writeFile(file, `${JSON.stringify(toOtlp(spans), null, 2)}\n`);
  return file;
}

const STATUS_ERROR = 2;

export function toOtlp(spans: readonly SpanRecord[]) {
  return {
    resourceSpans: [...Map.groupBy(spans, ({ service }) => service)].map(([service, own]) => ({
      resource: { attributes: [attribute('service.name', service), attribute('service.namespace', 'cogmesh')] },
      scopeSpans: [{ scope: { name: 'cogmesh' }, spans: own.map(toOtlpSpan) }],
    })),
  };
}

const toOtlpSpan = (span: SpanRecord) => ({
  traceId: span.traceId,
  spanId: span.spanId,
  ...(span.parentSpanId === '' ? {} : { parentSpanId: span.parentSpanId }),
  name: span.name,
  // OTLP counts kinds from 1 (internal); the API from 0.
  kind: span.kind + 1,
  startTimeUnixNano: `${span.startUs}000`,
  endTimeUnixNano: `${span.endUs}000`,
  attributes: Object.entries(span.attributes).map(([key, value]) => attribute(key, value)),
  links: span.links,
  status: span.error ? { code: STATUS_ERROR, message: span.statusMessage } : {},
});

function attribute(key: string, value: unknown) {
  return { key, value: anyValue(value) };
}

function anyValue(value: unknown): Record<string, unknown> {
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value === 'number') return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
  if (Array.isArray(value)) return { arrayValue: { values: value.map(anyValue) } };
  return { stringValue: String(value) };
}
