/**
 * Where a ready task may go. `load-aware`: the queue of one agent within its free credits, chosen by load. `round-robin`:
 * the shared queue of the exact capability, with a bounded number outstanding, and the broker deals it out.
 */
import { sharedQueueOf } from '@cogmesh/enforcement';
import { parseNeed } from '../model/need.js';
import { chooseAgent, freeCredits, type Candidate, type InFlight } from '@cogmesh/routing-core';
import type { AgentDirectory } from './agent-directory.js';
import type { AgentSpeeds } from './agent-speeds.js';
import type { Credits, Target } from './credits.js';

export interface TargetsOptions {
  readonly strategy: 'load-aware' | 'round-robin';
  readonly directory: AgentDirectory;
  readonly credits: Credits;
  readonly speeds: AgentSpeeds;
  readonly sharedOutstanding: number;
  readonly random: () => number;
}

export interface Choice {
  readonly target: Target;
}

export class Targets {
  readonly #options: TargetsOptions;
  readonly #inFlight: InFlight;

  constructor(options: TargetsOptions) {
    this.#options = options;
    this.#inFlight = ({ agent, capability }) => options.credits.usedBy(agent.id, capability.name);
  }

  /** Whether something with this need could go out now. */
  hasRoom(need: string): boolean {
    const candidates = this.#options.directory.candidates(need);
    if (this.#isForOneAgent(need)) {
      return candidates.some((candidate) => freeCredits(candidate, this.#inFlight) > 0);
    }
    const best = highest(candidates);
    return best !== undefined && this.#sharedRoom(best, candidates) > 0;
  }

  choose(need: string): Choice | undefined {
    const candidates = this.#options.directory.candidates(need);
    if (!this.#isForOneAgent(need)) return this.#chooseQueue(candidates);
    const { random, speeds } = this.#options;
    const observedMs = ({ agent, capability }: Candidate) => speeds.observedMs(agent.id, capability.name);
    const chosen = chooseAgent(candidates, { inFlight: this.#inFlight, random, observedMs });
    if (!chosen) return undefined;
    return { target: { agentId: chosen.agent.id, capability: chosen.capability.name } };
  }

  /** A shared queue is read by agents with any labels, so what asks for labels goes to an agent's own. */
  #isForOneAgent(need: string): boolean {
    return this.#options.strategy === 'load-aware' || parseNeed(need).labels.length > 0;
  }

  #chooseQueue(candidates: readonly Candidate[]): Choice | undefined {
    const best = highest(candidates);
    if (!best || this.#sharedRoom(best, candidates) <= 0) return undefined;
    const capability = best.capability.name;
    return { target: { queue: sharedQueueOf(capability), capability } };
  }

  /** Twice the credits of those who consume it keeps everyone busy and the queue shallow. */
  #sharedRoom({ capability: { name } }: Candidate, candidates: readonly Candidate[]): number {
    const credits = candidates.reduce(
      (sum, { capability }) => sum + (capability.name === name ? capability.credits : 0),
      0,
    );
    const bound = Math.min(this.#options.sharedOutstanding, Math.max(1, 2 * credits));
    return bound - this.#options.credits.outstandingIn(sharedQueueOf(name));
  }
}

/** The highest version on offer, warm before cold. */
function highest(candidates: readonly Candidate[]): Candidate | undefined {
  const ordered = candidates.toSorted(
    (a, b) =>
      Number(b.capability.ready) - Number(a.capability.ready) ||
      b.capability.name.localeCompare(a.capability.name, 'en', { numeric: true }),
  );
  return ordered[0];
}
