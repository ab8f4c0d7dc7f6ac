/** The sending half of one agent's stream, and the instructions that await its answer. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { registryV1 } from '@cogmesh/contracts';
import type { workV1 } from '@cogmesh/contracts';
import type { CogmeshError } from '@cogmesh/errors';
import type { Acknowledgement, PendingInstructions } from '@cogmesh/registry-core';
import { Outgoing, type OutsideSubject } from '@cogmesh/rpc';
import type { Stream } from '../relay/agent-relay.js';

export type ConnectResponseInit = MessageInitShape<typeof registryV1.ConnectResponseSchema>;
export type Action = registryV1.Instruction['action'];

export interface AgentStreamOptions {
  readonly agentId: string;
  readonly newId: () => string;
  readonly pending: PendingInstructions;
  /** Names it was admitted with; an SDK agent may not grow beyond them. */
  readonly admitted: ReadonlySet<string>;
  /** Only for SDK agents. */
  readonly outside?: { readonly subject: OutsideSubject; readonly expiresAtMs: number };
}

export class AgentStream implements Stream {
  readonly agentId: string;
  readonly admitted: ReadonlySet<string>;
  readonly outside: AgentStreamOptions['outside'];
  readonly outgoing = new Outgoing<ConnectResponseInit>();
  readonly #options: AgentStreamOptions;
  /** It said goodbye: the end of the stream is no loss. */
  saidGoodbye = false;

  constructor(options: AgentStreamOptions) {
    this.#options = options;
    this.agentId = options.agentId;
    this.admitted = options.admitted;
    this.outside = options.outside;
  }

  welcome(heartbeatIntervalMs: number): void {
    this.#send({ case: 'welcome', value: { agentId: this.agentId, heartbeatIntervalMs } });
  }

  work(work: workV1.Work): void {
    this.#send({ case: 'work', value: work });
  }

  resultAccepted(attemptId: string): void {
    this.#send({ case: 'resultAccepted', value: { attemptId } });
  }

  /** Nobody waits for the acknowledgement: the next heartbeat shows whether it helped. */
  cancel(attemptIds: readonly string[], reason: string): void {
    const action = { case: 'cancelAttempts' as const, value: { attemptIds: [...attemptIds], reason } };
    this.#send({ case: 'instruction', value: { id: this.#options.newId(), action } });
  }

  /** Resolves with the agent's acknowledgement; rejects with `timeout` or `unavailable`. */
  instruct(action: Action, timeoutMs: number): Promise<Acknowledgement> {
    const id = this.#options.newId();
    const answer = this.#options.pending.expect(id, this.agentId, timeoutMs);
    if (!this.#send({ case: 'instruction', value: { id, action } })) this.#options.pending.agentLeft(this.agentId);
    return answer;
  }

  acknowledged({ instructionId, accepted, message }: registryV1.InstructionAck): void {
    this.#options.pending.acknowledge(instructionId, this.agentId, { accepted, message });
  }

  /** The agent sees the error and, unless it is final, comes back. */
  end(error?: CogmeshError): void {
    if (error) this.outgoing.fail(error);
    else this.outgoing.end();
  }

  #send(message: NonNullable<ConnectResponseInit['message']>): boolean {
    return this.outgoing.push({ message });
  }
}
