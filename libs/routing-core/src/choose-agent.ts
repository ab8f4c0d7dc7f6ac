/**
 * Load-aware choice by the power of two choices (Mitzenmacher, 2001): two random candidates with a free credit, the less
 * loaded one wins. Avoids the herd that "always the least loaded" makes when load is known late.
 */
import type { Candidate } from './agent.js';

/** Work the chooser itself has in progress there: rows in flight for this agent and capability. */
export type InFlight = (candidate: Candidate) => number;

export function freeCredits(candidate: Candidate, inFlight: InFlight): number {
  return Math.max(0, candidate.capability.credits - inFlight(candidate));
}

export interface ChooseOptions {
  readonly inFlight: InFlight;
  /** 0 <= x < 1. */
  readonly random: () => number;
}

/** Undefined when nobody has a free credit. Loaded models are preferred to ones that must load first. */
export function chooseAgent(
  candidates: readonly Candidate[],
  { inFlight, random }: ChooseOptions,
): Candidate | undefined {
  const free = candidates.filter((candidate) => freeCredits(candidate, inFlight) > 0);
  const warm = free.filter((candidate) => candidate.capability.ready);
  const pool = warm.length > 0 ? warm : free;
  if (pool.length < 2) return pool[0];
  const first = Math.floor(random() * pool.length);
  const second = (first + 1 + Math.floor(random() * (pool.length - 1))) % pool.length;
  const [a, b] = [pool[first] as Candidate, pool[second] as Candidate];
  return loadOf(b, inFlight) < loadOf(a, inFlight) ? b : a;
}

/** Expected wait, in the unit of run times: work ahead per credit, weighted by how long the agent's work takes. */
function loadOf(candidate: Candidate, inFlight: InFlight): number {
  const ahead = inFlight(candidate) + candidate.agent.queued;
  const perCredit = (ahead + 1) / Math.max(1, candidate.capability.credits);
  return perCredit * Math.max(1, candidate.agent.latencyMs);
}
