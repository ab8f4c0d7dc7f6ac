/**
 * Spans to and from OTLP/JSON (opentelemetry-proto, ExportTraceServiceRequest): what `--otlp-out` writes for anyone to check,
 * and what the cluster's small collector receives. Only what a SpanRecord holds survives; events are not kept.
 */
import type { Attributes } from '@opentelemetry/api';
import { attributeNames } from './names.js';
import type { SpanRecord } from './span-record.js';

interface KeyValue {
  readonly key: string;
  readonly value: AnyValue;
}

interface AnyValue {
  readonly stringValue?: string;
  readonly boolValue?: boolean;
  readonly intValue?: string | number;
  readonly doubleValue?: number;
  readonly arrayValue?: { readonly values?: readonly AnyValue[] };
}

interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes?: readonly KeyValue[];
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly status?: { readonly code?: number; readonly message?: string };
}

export interface OtlpTraces {
  readonly resourceSpans?: readonly {
    readonly resource?: { readonly attributes?: readonly KeyValue[] };
    readonly scopeSpans?: readonly {
      readonly scope?: { readonly name: string };
      readonly spans?: readonly OtlpSpan[];
    }[];
  }[];
}

const STATUS_ERROR = 2;

export function toOtlp(spans: readonly SpanRecord[]): OtlpTraces {
  return {
    resourceSpans: [...Map.groupBy(spans, ({ service }) => service)].map(([service, own]) => ({
      resource: { attributes: toKeyValues({ [attributeNames.serviceName]: service, 'service.namespace': 'cogmesh' }) },
      scopeSpans: [{ scope: { name: 'cogmesh' }, spans: own.map(toOtlpSpan) }],
    })),
  };
}

/** OTLP counts span kinds from 1 (internal), the API from 0. */
const toOtlpSpan = (span: SpanRecord): OtlpSpan => ({
  traceId: span.traceId,
  spanId: span.spanId,
  ...(span.parentSpanId === '' ? {} : { parentSpanId: span.parentSpanId }),
  name: span.name,
  kind: span.kind + 1,
  startTimeUnixNano: `${span.startUs}000`,
  endTimeUnixNano: `${span.endUs}000`,
  attributes: toKeyValues(span.attributes),
  links: span.links,
  status: span.error ? { code: STATUS_ERROR, message: span.statusMessage } : {},
});

const toKeyValues = (attributes: Attributes): KeyValue[] =>
  Object.entries(attributes).map(([key, value]) => ({ key, value: toAnyValue(value) }));

function toAnyValue(value: unknown): AnyValue {
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value === 'number') return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
  if (Array.isArray(value)) return { arrayValue: { values: value.map(toAnyValue) } };
  return { stringValue: String(value) };
}

export function fromOtlp(traces: OtlpTraces): SpanRecord[] {
  return (traces.resourceSpans ?? []).flatMap(({ resource, scopeSpans }) => {
    const service = String(fromKeyValues(resource?.attributes)[attributeNames.serviceName] ?? 'unknown');
    return (scopeSpans ?? []).flatMap(({ spans }) => (spans ?? []).map((span) => fromOtlpSpan(service, span)));
  });
}

/** Nanoseconds since 1970 exceed 2^53, so they are cut as text. */
const microseconds = (nanoseconds: string) => Number(String(nanoseconds).slice(0, -3));

const fromOtlpSpan = (service: string, span: OtlpSpan): SpanRecord => ({
  traceId: span.traceId,
  spanId: span.spanId,
  parentSpanId: span.parentSpanId ?? '',
  service,
  name: span.name,
  kind: Math.max(0, span.kind - 1),
  startUs: microseconds(span.startTimeUnixNano),
  endUs: microseconds(span.endTimeUnixNano),
  error: span.status?.code === STATUS_ERROR,
  statusMessage: span.status?.message ?? '',
  attributes: fromKeyValues(span.attributes),
  links: (span.links ?? []).map(({ traceId, spanId }) => ({ traceId, spanId })),
});

const fromKeyValues = (pairs: readonly KeyValue[] = []): Attributes =>
  Object.fromEntries(pairs.map(({ key, value }) => [key, fromAnyValue(value)]));

function fromAnyValue(value: AnyValue): Attributes[string] {
  if (value.intValue !== undefined) return Number(value.intValue);
  if (value.arrayValue !== undefined) return (value.arrayValue.values ?? []).map((item) => String(fromAnyValue(item)));
  return value.stringValue ?? value.boolValue ?? value.doubleValue ?? '';
}
