/**
 * The two ways code makes spans: `withSpan` around work that runs now, `recordSpan` for an interval measured after the
 * fact (a wait in a queue, an attempt whose start was a message). Parents and links are W3C traceparents, because that is
 * what rows and messages carry.
 */
import { randomBytes } from 'node:crypto';
import {
  type Attributes,
  context,
  type Link,
  ROOT_CONTEXT,
  type Span,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  trace,
  TraceFlags,
} from '@opentelemetry/api';
import { CogmeshError } from '@cogmesh/errors';
import { attributeNames, type SpanName } from './names.js';
import { currentService } from './service-scope.js';
import { formatTraceparent, parseTraceparent } from './traceparent.js';

export interface SpanOptions {
  readonly kind?: SpanKind;
  readonly attributes?: Attributes;
  /** Traceparents of causes that are not the parent. */
  readonly links?: readonly (string | undefined)[];
  /** Traceparent of the parent; `root` starts a new trace; default is the active span. */
  readonly parent?: string | 'root' | undefined;
}

const tracer = () => trace.getTracer('cogmesh');

const parentContext = (parent: SpanOptions['parent']) => {
  if (parent === undefined) return context.active();
  const remote = parent === 'root' ? undefined : parseTraceparent(parent);
  return remote ? trace.setSpanContext(ROOT_CONTEXT, remote) : ROOT_CONTEXT;
};

const toLinks = (traceparents: SpanOptions['links']): Link[] =>
  (traceparents ?? [])
    .map((text) => parseTraceparent(text))
    .filter((found): found is SpanContext => found !== undefined)
    .map((linked) => ({ context: linked }));

function open(name: SpanName, options: SpanOptions, startTime?: number) {
  const parent = parentContext(options.parent);
  const span = tracer().startSpan(
    name,
    {
      kind: options.kind ?? SpanKind.INTERNAL,
      attributes: { [attributeNames.serviceName]: currentService(), ...options.attributes },
      links: toLinks(options.links),
      ...(startTime === undefined ? {} : { startTime }),
    },
    parent,
  );
  return { span, active: trace.setSpan(parent, span) };
}

/** Marks a span failed with our error code; message and stack stay in the log. */
export function failSpan(span: Span, thrown: unknown): void {
  const code = thrown instanceof CogmeshError ? thrown.code : 'internal';
  span.setAttribute(attributeNames.errorCode, code);
  span.setStatus({ code: SpanStatusCode.ERROR, message: thrown instanceof Error ? thrown.message : String(thrown) });
}

/** Runs `work` inside a new span, which ends when the work settles and fails when it throws. */
export async function withSpan<T>(
  name: SpanName,
  options: SpanOptions,
  work: (span: Span) => Promise<T> | T,
): Promise<T> {
  const { span, active } = open(name, options);
  try {
    return await context.with(active, () => work(span));
  } catch (thrown) {
    failSpan(span, thrown);
    throw thrown;
  } finally {
    span.end();
  }
}

/** A span that the caller ends itself: for streams, whose end is an event. */
export function startSpan(
  name: SpanName,
  options: SpanOptions = {},
): { span: Span; traceparent: string; run<T>(work: () => T): T } {
  const { span, active } = open(name, options);
  return { span, traceparent: formatTraceparent(span.spanContext()), run: (work) => context.with(active, work) };
}

export interface RecordedSpan extends SpanOptions {
  readonly name: SpanName;
  /** Milliseconds since the epoch. */
  readonly startMs: number;
  readonly endMs: number;
  readonly error?: unknown;
}

/** Records an interval that is already over; answers its traceparent, to be the parent of what follows. */
export function recordSpan({ name, startMs, endMs, error, ...options }: RecordedSpan): string {
  const { span } = open(name, options, startMs);
  if (error !== undefined) failSpan(span, error);
  span.end(Math.max(startMs, endMs));
  return formatTraceparent(span.spanContext());
}

/**
 * Runs background work (a poll, a heartbeat) that makes no spans, neither here nor at whom it calls: its context is that
 * of a trace nobody samples.
 */
export function untraced<T>(work: () => T): T {
  const unsampled = { traceId: hex(16), spanId: hex(8), traceFlags: TraceFlags.NONE, isRemote: true };
  return context.with(trace.setSpanContext(ROOT_CONTEXT, unsampled), work);
}

const hex = (bytes: number) => randomBytes(bytes).toString('hex');

/** Traceparent of the active span. */
export function currentTraceparent(): string | undefined {
  const active = trace.getActiveSpan()?.spanContext();
  return active ? formatTraceparent(active) : undefined;
}
