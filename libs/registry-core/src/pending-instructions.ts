/**
 * Instructions that were sent and await the agent's acknowledgement. Each ends exactly once: acknowledged, timed out, or
 * its agent left. No timer here: the owner calls `expire`.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { Clock } from './agent.js';

export interface Acknowledgement {
  readonly accepted: boolean;
  /** The agent's own words when it refused. */
  readonly message: string;
}

interface Pending {
  readonly agentId: string;
  readonly deadlineMs: number;
  readonly settle: (outcome: Acknowledgement | CogmeshError) => void;
}

export class PendingInstructions {
  readonly #pending = new Map<string, Pending>();
  readonly #clock: Clock;
  readonly #limit: number;

  /** At most `limit` instructions wait at once; default 10,000. */
  constructor(clock: Clock, limit = 10_000) {
    this.#clock = clock;
    this.#limit = limit;
  }

  /** Resolves with the acknowledgement; rejects with `timeout`, `unavailable` when the agent leaves, or `overloaded`. */
  expect(id: string, agentId: string, timeoutMs: number): Promise<Acknowledgement> {
    if (this.#pending.size >= this.#limit) {
      return Promise.reject(new CogmeshError('overloaded', `${this.#limit} instructions already wait for an answer`));
    }
    return new Promise((resolve, reject) => {
      this.#pending.set(id, {
        agentId,
        deadlineMs: this.#clock.monotonicMs() + timeoutMs,
        settle: (outcome) => (outcome instanceof CogmeshError ? reject(outcome) : resolve(outcome)),
      });
    });
  }

  /** False when nothing waits for this id from this agent. */
  acknowledge(id: string, agentId: string, acknowledgement: Acknowledgement): boolean {
    if (this.#pending.get(id)?.agentId !== agentId) return false;
    this.#end(id, acknowledgement);
    return true;
  }

  expire(): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [id, { agentId, deadlineMs }] of this.#pending) {
      if (nowMs >= deadlineMs) {
        this.#end(id, new CogmeshError('timeout', `agent ${agentId} did not acknowledge instruction ${id} in time`));
      }
    }
  }

  /** The agent's stream is gone: nobody will acknowledge. */
  agentLeft(agentId: string): void {
    for (const [id, pending] of this.#pending) {
      if (pending.agentId === agentId) this.#end(id, new CogmeshError('unavailable', `agent ${agentId} left`));
    }
  }

  #end(id: string, outcome: Acknowledgement | CogmeshError): void {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    pending?.settle(outcome);
  }
}
