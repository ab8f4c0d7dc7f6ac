/**
 * Where a ready task may go. `load-aware`: the queue of one agent within its free credits, chosen by load. `round-robin`:
 * the shared queue of the exact capability, with a bounded number outstanding, and the broker deals it out.
 */
import { sharedQueueOf } from '@cogmesh/enforcement';
import { chooseAgent, freeCredits, type Candidate, type InFlight } from '@cogmesh/routing-core';
import { parseNeed, type Credits, type Target, type Targets } from '@cogmesh/scheduling-core';
import type { AgentDirectory } from './agent-directory.js';
import type { AgentSpeeds } from './agent-speeds.js';

export interface AgentTargetsOptions {
  readonly strategy: 'load-aware' | 'round-robin';
  readonly directory: AgentDirectory;
  readonly credits: Credits;
  readonly speeds: AgentSpeeds;
  readonly sharedOutstanding: number;
  /** Of an agent's credits, how many this replica may use. */
  readonly creditsOf: (agentId: string, capability: string, whole: number) => number;
  /** Of what may be unfinished in a shared queue, how much this replica may have. */
  readonly queuedOf: (queue: string, whole: number) => number;
  readonly random: () => number;
}

export class AgentTargets implements Targets {
  readonly #options: AgentTargetsOptions;
  readonly #inFlight: InFlight;

  constructor(options: AgentTargetsOptions) {
    this.#options = options;
    this.#inFlight = ({ agent, capability }) => options.credits.usedBy(agent.id, capability.name);
  }

  hasRoom(need: string): boolean {
    if (this.#isForOneAgent(need)) {
      return this.#candidates(need).some((candidate) => freeCredits(candidate, this.#inFlight) > 0);
    }
    const candidates = this.#options.directory.candidates(need);
    const best = highest(candidates);
    return best !== undefined && this.#sharedRoom(best, candidates) > 0;
  }

  choose(need: string): Target | undefined {
    const { random, speeds, directory } = this.#options;
    if (!this.#isForOneAgent(need)) return this.#chooseQueue(directory.candidates(need));
    const candidates = this.#candidates(need);
    const observedMs = ({ agent, capability }: Candidate) => speeds.observedMs(agent.id, capability.name);
    const chosen = chooseAgent(candidates, { inFlight: this.#inFlight, random, observedMs });
    return chosen && { agentId: chosen.agent.id, capability: chosen.capability.name };
  }

  /** With the part of their credits that is this replica's. */
  #candidates(need: string): readonly Candidate[] {
    const { directory, creditsOf } = this.#options;
    return directory.candidates(need).map((candidate) => {
      const { agent, capability } = candidate;
      const credits = creditsOf(agent.id, capability.name, capability.credits);
      return credits === capability.credits ? candidate : { agent, capability: { ...capability, credits } };
    });
  }

  /** A shared queue is read by agents with any labels, so what asks for labels goes to an agent's own. */
  #isForOneAgent(need: string): boolean {
    return this.#options.strategy === 'load-aware' || parseNeed(need).labels.length > 0;
  }

  #chooseQueue(candidates: readonly Candidate[]): Target | undefined {
    const best = highest(candidates);
    if (!best || this.#sharedRoom(best, candidates) <= 0) return undefined;
    const capability = best.capability.name;
    return { queue: sharedQueueOf(capability), capability };
  }

  /** Twice the credits of those who consume it keeps everyone busy and the queue shallow. */
  #sharedRoom({ capability: { name } }: Candidate, candidates: readonly Candidate[]): number {
    const credits = candidates.reduce(
      (sum, { capability }) => sum + (capability.name === name ? capability.credits : 0),
      0,
    );
    const bound = Math.min(this.#options.sharedOutstanding, Math.max(1, 2 * credits));
    const queue = sharedQueueOf(name);
    return this.#options.queuedOf(queue, bound) - this.#options.credits.outstandingIn(queue);
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
