/**
 * Everything the bus knows about OpenTelemetry, in one file because the messaging convention is not stable. A message
 * carries the context it was created in as `traceparent`; the consumer's span is a trace of its own that links to the
 * contexts of its batch, since one batch serves many runs. Messages without a context get no span.
 */
import {
  context,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Link,
  type Span,
} from '@opentelemetry/api';
import { attributeNames, currentService } from '@cogmesh/telemetry';
import type { Delivery, OutgoingMessage } from './port.js';

export type MessagingSystem = 'rabbitmq' | 'memory';

const tracer = () => trace.getTracer('@cogmesh/bus');

const spanNames = {
  publish: (destination: string) => `publish ${destination}`,
  process: (queue: string) => `process ${queue}`,
};

/** The headers with `traceparent` (and `tracestate`) of the active context, unless the caller brought its own. */
export function withTraceContext(headers: Readonly<Record<string, string>>): Record<string, string> {
  const carrier: Record<string, string> = {};
  if (headers['traceparent'] === undefined) propagation.inject(context.active(), carrier);
  return { ...carrier, ...headers };
}

/** Runs a publish inside a PRODUCER span when the caller is being traced; background publishes make no span. */
export async function tracePublish(
  system: MessagingSystem,
  messages: readonly OutgoingMessage[],
  publish: () => Promise<void>,
): Promise<void> {
  const first = messages[0];
  if (first === undefined || trace.getActiveSpan() === undefined) return publish();
  const destination = 'queue' in first.to ? first.to.queue : first.to.exchange.name;
  const attributes: Attributes = {
    [attributeNames.serviceName]: currentService(),
    'messaging.system': system,
    'messaging.operation.name': 'publish',
    'messaging.operation.type': 'send',
    'messaging.destination.name': destination,
    'messaging.batch.message_count': messages.length,
    ...('queue' in first.to ? {} : { 'messaging.rabbitmq.destination.routing_key': first.to.routingKey }),
  };
  const options = { kind: SpanKind.PRODUCER, attributes };
  return tracer().startActiveSpan(spanNames.publish(destination), options, (span) => ended(span, publish));
}

/** Runs a handler inside a CONSUMER span that links to what created the deliveries. */
export async function traceProcess<T>(
  system: MessagingSystem,
  { queue, deliveries }: { queue: string; deliveries: readonly Delivery[] },
  handle: () => Promise<T>,
): Promise<T> {
  const links = deliveries.flatMap(creationLink);
  if (links.length === 0) return handle();
  const attributes: Attributes = {
    [attributeNames.serviceName]: currentService(),
    'messaging.system': system,
    'messaging.operation.name': 'process',
    'messaging.operation.type': 'process',
    'messaging.destination.name': queue,
    'messaging.batch.message_count': deliveries.length,
  };
  const options = { kind: SpanKind.CONSUMER, attributes, links, root: true };
  return tracer().startActiveSpan(spanNames.process(queue), options, (span) => ended(span, handle));
}

function creationLink({ headers, id }: Delivery): Link[] {
  const created = trace.getSpanContext(propagation.extract(ROOT_CONTEXT, headers));
  return created === undefined ? [] : [{ context: created, attributes: { 'messaging.message.id': id } }];
}

async function ended<T>(span: Span, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    span.recordException(thrown instanceof Error ? thrown : String(thrown));
    span.setStatus({ code: SpanStatusCode.ERROR });
    throw thrown;
  } finally {
    span.end();
  }
}
