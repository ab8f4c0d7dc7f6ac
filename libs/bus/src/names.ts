/**
 * Names on the wire. A dead-letter queue has no dead-letter queue of its own; a transient queue carries its connection's
 * id so that two instances of a service do not fight over one exclusive name.
 */
import type { Queue } from './port.js';

const deadSuffix = '.dead';

export function isDeadQueue(queue: Pick<Queue, 'name'>): boolean {
  return queue.name.endsWith(deadSuffix);
}

export function wireQueueName(queue: Queue, connectionId: string, prefix = ''): string {
  return queue.kind === 'transient' ? `${prefix}${queue.name}.${connectionId}` : `${prefix}${queue.name}`;
}
