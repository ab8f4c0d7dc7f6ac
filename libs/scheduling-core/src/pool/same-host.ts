/**
 * Which agents may get more slots where they are, and how slots are dealt out among them. Only work that waits for something
 * outside gains by it: as its author declared, or as little processor time per busy slot shows. A host that is busy already
 * gets nothing more.
 */
import type { PoolSettings } from './settings.js';

/** One agent's part in one capability. */
export interface AgentSlots {
  readonly id: string;
  readonly credits: number;
  /** Undefined where its credits are fixed. */
  readonly range: { readonly min: number; readonly max: number } | undefined;
  readonly bound: 'io' | 'cpu' | undefined;
  /** Of one core, 0-1 per core its process uses. */
  readonly cpu: number;
  /** Of a core, per busy slot; undefined before it was busy. */
  readonly cpuPerSlot: number | undefined;
  /** Of all cores of its host, 0-1; undefined where it does not say. */
  readonly hostCpu: number | undefined;
}

export type Kind = 'waits' | 'computes' | 'unknown';

/** One saturated thread hides behind many slots, so an agent that uses a core up computes, however little each slot shows. */
export function kindOf(
  { bound, cpu, cpuPerSlot }: Pick<AgentSlots, 'bound' | 'cpu' | 'cpuPerSlot'>,
  { waitingCpuPerSlot, cpuThreshold }: Pick<PoolSettings, 'waitingCpuPerSlot' | 'cpuThreshold'>,
): Kind {
  if (bound !== undefined) return bound === 'io' ? 'waits' : 'computes';
  if (cpuPerSlot === undefined) return 'unknown';
  return cpuPerSlot < waitingCpuPerSlot && cpu < cpuThreshold ? 'waits' : 'computes';
}

/** Slots this agent may still get. */
export function roomOf(agent: AgentSlots, settings: PoolSettings): number {
  if (!agent.range || kindOf(agent, settings) !== 'waits') return 0;
  if ((agent.hostCpu ?? 0) > settings.cpuThreshold) return 0;
  return Math.max(0, Math.min(agent.range.max, settings.sameHostMaxSlots) - agent.credits);
}

/** Slots above what each agent began with. */
export const surplusOf = ({ credits, range }: AgentSlots): number => (range ? Math.max(0, credits - range.min) : 0);

/** Deals `change` slots out, one at a time, so that agents stay as even as they can; answers what changes, by agent. */
export function deal(agents: readonly AgentSlots[], change: number, settings: PoolSettings): Map<string, number> {
  const left = agents.map((agent) => ({
    id: agent.id,
    slots: agent.credits,
    free: change > 0 ? roomOf(agent, settings) : surplusOf(agent),
  }));
  const by = Math.sign(change);
  const changed = new Map<string, number>();
  for (let todo = Math.abs(change); todo > 0; todo -= 1) {
    const open = left.filter(({ free }) => free > 0);
    const [first, ...others] = open;
    if (!first) break;
    const next = others.reduce((best, each) => (by * each.slots < by * best.slots ? each : best), first);
    next.slots += by;
    next.free -= 1;
    changed.set(next.id, next.slots);
  }
  return changed;
}
