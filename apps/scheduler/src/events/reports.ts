/** What the two report queues have in common: who may send, what is dead on arrival, one transaction per batch. */
import { decode, type Delivery, type Handler, type Queue, type Verdict } from '@cogmesh/bus';
import { toCogmeshError } from '@cogmesh/errors';
import type { Logger } from '@cogmesh/telemetry';
import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import type { Accepted } from '@cogmesh/scheduling-core';

export const startedQueue: Queue = { name: 'scheduler.started', kind: 'durable' };
export const resultsQueue: Queue = { name: 'scheduler.results', kind: 'durable' };

/** Deliveries per decision, decisions that wait to be stored, deliveries unacknowledged at once. */
export const reportConsumption = { maxBatch: 100, concurrency: 4, prefetch: 500 } as const;

export interface ReportOptions<Schema extends DescMessage> {
  readonly schema: Schema;
  /** Services the broker may name as sender. */
  readonly senders: readonly string[];
  /** Applies the reports of one batch; rejects when nothing of it is durable. */
  readonly accept: (messages: readonly MessageShape<Schema>[]) => Promise<Accepted>;
  readonly logger: Logger;
  readonly onRefused: () => void;
  readonly onIgnored: (count: number) => void;
}

export function reportHandler<Schema extends DescMessage>(options: ReportOptions<Schema>): Handler {
  return async (deliveries) => {
    const verdicts: Verdict[] = [];
    const messages: MessageShape<Schema>[] = [];
    for (const delivery of deliveries) {
      const message = read(delivery, options);
      verdicts.push(message === undefined ? 'dead' : 'ack');
      if (message !== undefined) messages.push(message);
    }
    const { ignored } = await options.accept(messages);
    if (ignored > 0) options.onIgnored(ignored);
    return verdicts;
  };
}

function read<Schema extends DescMessage>(
  delivery: Delivery,
  { schema, senders, logger, onRefused }: ReportOptions<Schema>,
): MessageShape<Schema> | undefined {
  const evidence = { message: delivery.id, sender: delivery.sender, type: delivery.type };
  if (!senders.includes(delivery.sender)) {
    onRefused();
    logger.warn(evidence, `a report of "${delivery.sender}" was refused: only ${senders.join(', ')} may send it`);
    return undefined;
  }
  try {
    return decode(schema, delivery);
  } catch (thrown) {
    onRefused();
    logger.warn({ ...evidence, err: thrown }, `a report was refused: ${toCogmeshError(thrown).message}`);
    return undefined;
  }
}
