import { decode, type Handler, type Queue } from '@cogmesh/bus';
import { eventsV1 } from '@cogmesh/contracts';
import { schedulerEvents } from '../engine/run-hints.js';
import type { RunNotifier } from '../engine/run-notifier.js';

export const runChangedQueue: Queue = {
  name: 'scheduler.watched-runs',
  kind: 'transient',
  bindings: [{ exchange: schedulerEvents, routingKey: 'run.changed.v1' }],
};

/** A run that another scheduler moves wakes those who watch it here. */
export function onRunChanged(notifier: RunNotifier): Handler {
  return (deliveries) => {
    for (const delivery of deliveries) notifier.notify(decode(eventsV1.RunChangedSchema, delivery).runId);
    return Promise.resolve(deliveries.map(() => 'ack'));
  };
}
