/**
 * Load-aware choice: of the agents with a free credit, the one that is expected to finish first. What a task takes there is
 * observed by whoever chooses and passed in; nothing is remembered here. Equals are told apart by chance, so that two
 * choosers do not run after each other.
 */
import type { Candidate } from './agent.js';

/** Work the chooser itself has in progress there: rows in flight for this agent and capability. */
export type InFlight = (candidate: Candidate) => number;

/** From hand-over to result as seen by the chooser, milliseconds; undefined when nothing has been seen lately. */
export type ObservedMs = (candidate: Candidate) => number | undefined;

export function freeCredits(candidate: Candidate, inFlight: InFlight): number {
  return Math.max(0, candidate.capability.credits - inFlight(candidate));
}

export interface ChooseOptions {
  readonly inFlight: InFlight;
  /** 0 <= x < 1. */
  readonly random: () => number;
  readonly observedMs?: ObservedMs;
}

/** Undefined when nobody has a free credit. Loaded models are preferred to ones that must load first. */
export function chooseAgent(candidates: readonly Candidate[], options: ChooseOptions): Candidate | undefined {
  const free = candidates.filter((candidate) => freeCredits(candidate, options.inFlight) > 0);
  const warm = free.filter((candidate) => candidate.capability.ready);
  const pool = warm.length > 0 ? warm : free;
  if (pool.length < 2) return pool[0];
  return cheapest(pool, options);
}

/** From a random place on, so that the first of equals is a random one. */
function cheapest(pool: readonly Candidate[], options: ChooseOptions): Candidate | undefined {
  const takesMs = durationsOf(pool, options);
  const from = Math.floor(options.random() * pool.length);
  let [best, bestMs] = [undefined as Candidate | undefined, Infinity];
  for (let i = 0; i < pool.length; i++) {
    const at = (from + i) % pool.length;
    const candidate = pool[at] as Candidate;
    const finishMs = expectedMs(candidate, takesMs[at] as number, options.inFlight);
    if (finishMs < bestMs) [best, bestMs] = [candidate, finishMs];
  }
  return best;
}

/** Who has not been observed is taken to be as fast as the fastest, and so is tried. */
function durationsOf(pool: readonly Candidate[], { observedMs }: ChooseOptions): number[] {
  const known = pool.map((candidate) => observedMs?.(candidate) ?? (candidate.agent.latencyMs || undefined));
  const fastest = known.reduce<number>((least, each) => Math.min(least, each ?? Infinity), Infinity);
  return known.map((each) => Math.max(shortestMs, each ?? (fastest === Infinity ? shortestMs : fastest)));
}

/** Below this, differences are noise of the clock and of the way there, milliseconds. */
const shortestMs = 1;

/**
 * What the task is expected to take there: as long as an idle agent needs while it is idle, twice that when every credit is
 * taken. Slots that work side by side would stay at once, slots that share one processor would grow more; what was observed
 * under load already tells how much.
 */
function expectedMs(candidate: Candidate, takesMs: number, inFlight: InFlight): number {
  const ahead = inFlight(candidate) + candidate.agent.queued;
  return takesMs * (1 + ahead / Math.max(1, candidate.capability.credits));
}
