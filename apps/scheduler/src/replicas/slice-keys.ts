/** What is shared in slices, as one text each, and what of it an attempt takes up. */
import { scopesOf } from '@cogmesh/scheduling-core';

export const flightKey = (scope: string): string => `flight ${scope}`;
export const rateKey = (scope: string): string => `rate ${scope}`;
export const agentKey = (agentId: string, capability: string): string => `agent ${agentId} ${capability}`;
export const queueKey = (queue: string): string => `queue ${queue}`;

/** Other wholes are shared in whole numbers. */
export const isRate = (key: string): boolean => key.startsWith('rate ');

export interface HeldWork {
  readonly organisation: string;
  readonly uses: string;
  readonly concurrencyGroup: string | null;
  readonly agentId: string | null;
  readonly queue: string | null;
  readonly capability: string | null;
}

/** Everything that an attempt counts in. */
export function keysOf({ organisation, uses, concurrencyGroup, agentId, queue, capability }: HeldWork): string[] {
  const task = { organisation, group: uses, concurrencyGroup: concurrencyGroup ?? undefined };
  const place = queue === null ? agentKey(agentId ?? '', capability ?? '') : queueKey(queue);
  return [...scopesOf(task).map(flightKey), place];
}

export interface Usage {
  /** Attempts in a scope. */
  readonly inFlight: (scope: string) => number;
  readonly credits: {
    usedBy(agentId: string, capability: string): number;
    outstandingIn(queue: string): number;
  };
}

/** How much of a key is taken up; of a rate nothing. */
export function inUse(key: string, { inFlight, credits }: Usage): number {
  const [kind = '', first = '', ...rest] = key.split(' ');
  if (kind === 'flight') return inFlight([first, ...rest].join(' '));
  if (kind === 'agent') return credits.usedBy(first, rest.join(' '));
  return kind === 'queue' ? credits.outstandingIn(first) : 0;
}
