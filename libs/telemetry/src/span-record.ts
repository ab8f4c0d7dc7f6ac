/** A finished span as plain data: what the trace store keeps, `cogmesh trace` draws and the OTLP/JSON export writes. */
import { SpanStatusCode, type Attributes } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import { attributeNames } from './names.js';

export interface SpanRecord {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty for a root. */
  readonly parentSpanId: string;
  readonly service: string;
  readonly name: string;
  /** OpenTelemetry SpanKind: 0 internal, 1 server, 2 client, 3 producer, 4 consumer. */
  readonly kind: number;
  /** Microseconds since the epoch. */
  readonly startUs: number;
  readonly endUs: number;
  readonly error: boolean;
  readonly statusMessage: string;
  readonly attributes: Attributes;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
}

const toUs = ([seconds, nanoseconds]: readonly [number, number]) => seconds * 1e6 + Math.round(nanoseconds / 1e3);

/** The service a span belongs to: its own attribute all in one, the resource's name in a process of its own. */
export function serviceOf(span: ReadableSpan): string {
  const name = span.attributes[attributeNames.serviceName] ?? span.resource.attributes[attributeNames.serviceName];
  return String(name ?? 'unknown');
}

export function toSpanRecord(span: ReadableSpan): SpanRecord {
  const { traceId, spanId } = span.spanContext();
  return {
    traceId,
    spanId,
    parentSpanId: span.parentSpanContext?.spanId ?? '',
    service: serviceOf(span),
    name: span.name,
    kind: span.kind,
    startUs: toUs(span.startTime),
    endUs: toUs(span.endTime),
    error: span.status.code === SpanStatusCode.ERROR,
    statusMessage: span.status.message ?? '',
    attributes: span.attributes,
    links: span.links.map((link) => ({ traceId: link.context.traceId, spanId: link.context.spanId })),
  };
}
