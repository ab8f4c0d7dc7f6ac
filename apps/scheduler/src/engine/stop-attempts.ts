/**
 * Tells agents to stop working on attempts that nobody wants any more. Best effort: an agent that misses it learns the same
 * from its next lease renewal.
 */
import { toCogmeshError } from '@cogmesh/errors';
import type { Logger } from '@cogmesh/telemetry';
import type { Effects } from '@cogmesh/scheduling-core';

export interface AgentInstructions {
  /** Rejects when the registry or the agent cannot be reached. */
  cancelAttempts(agentId: string, attemptIds: readonly string[], reason: string): Promise<void>;
}

export class StopAttempts {
  readonly #instructions: AgentInstructions;
  readonly #logger: Logger;
  readonly #running = new Set<Promise<void>>();

  constructor(instructions: AgentInstructions, logger: Logger) {
    this.#instructions = instructions;
    this.#logger = logger;
  }

  accept({ stop }: Pick<Effects, 'stop'>): void {
    const byAgent = new Map<string, string[]>();
    for (const { agentId, attemptId } of stop) byAgent.set(agentId, [...(byAgent.get(agentId) ?? []), attemptId]);
    for (const [agentId, attemptIds] of byAgent) {
      const work = this.#tell(agentId, attemptIds).finally(() => this.#running.delete(work));
      this.#running.add(work);
    }
  }

  async settled(): Promise<void> {
    await Promise.all(this.#running);
  }

  async #tell(agentId: string, attemptIds: readonly string[]): Promise<void> {
    try {
      await this.#instructions.cancelAttempts(agentId, attemptIds, 'the scheduler no longer wants the result');
    } catch (thrown) {
      const error = toCogmeshError(thrown);
      this.#logger.info(
        { code: error.code, agentId, attempts: attemptIds.length },
        `an agent was not told to stop: ${error.message}`,
      );
    }
  }
}
