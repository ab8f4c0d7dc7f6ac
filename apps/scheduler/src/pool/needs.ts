/** Which capability a need counts to: what agents offer now, or what could be started elsewhere. */
import { matchCapability, type Candidate, type RoutableAgent } from '@cogmesh/routing-core';
import { parseNeed } from '../model/need.js';

export interface NeedsOptions {
  readonly candidates: (need: string) => readonly Candidate[];
  /** Capabilities of agents that could be started. */
  readonly startable: readonly string[];
}

export function capabilityOf({ candidates, startable }: NeedsOptions): (need: string) => string | undefined {
  const imagined: RoutableAgent = {
    id: '',
    organisation: '',
    kind: 'worker',
    state: 'READY',
    capabilities: startable.map((name) => ({ name, credits: 1, ready: true })),
    latencyMs: 0,
    queued: 0,
  };
  return (need) => {
    const offered = candidates(need).map(({ capability }) => capability.name);
    const { uses, labels } = parseNeed(need);
    // Nobody knows the labels of an agent that is not there.
    const [startedFor] = labels.length === 0 ? matchCapability(uses, '', [imagined]) : [];
    // Of several versions the newest is what a new agent would serve.
    return offered.toSorted((a, b) => b.localeCompare(a, 'en', { numeric: true }))[0] ?? startedFor?.capability.name;
  };
}
