/** The sending half of one agent's stream, and the instructions that await its answer. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { registryV1 } from '@cogmesh/contracts';
import type { workV1 } from '@cogmesh/contracts';
import type { CogmeshError } from '@cogmesh/errors';
import type { Acknowledgement, PendingInstructions } from '@cogmesh/registry-core';
import { Outgoing } from '@cogmesh/rpc';
import type { OutsideIdentity } from '../admission/admission.js';
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
  readonly outside?: OutsideIdentity;
}

export class AgentStream implements Stream {
  readonly agentId: string;
  readonly admitted: ReadonlySet<string>;
  /** As its newest token says. */
  outside: OutsideIdentity | undefined;
  readonly outgoing = new Outgoing<ConnectResponseInit>();
  readonly #options: AgentStreamOptions;
  /** It said goodbye, or was sent away: it is not waited for when the stream has ended. */
  isLeaving = false;

  constructor(options: AgentStreamOptions) {
    this.#options = options;
    this.agentId = options.agentId;
    this.admitted = options.admitted;
    this.outside = options.outside;
  }

  welcome(heartbeatIntervalMs: number, nowMs: number): void {
    const tokenExpiresInMs = this.#expiresIn(nowMs);
    this.#send({ case: 'welcome', value: { agentId: this.agentId, heartbeatIntervalMs, tokenExpiresInMs } });
  }

  tokenAccepted(outside: OutsideIdentity, nowMs: number): void {
    this.outside = outside;
    this.#send({ case: 'tokenAccepted', value: { tokenExpiresInMs: this.#expiresIn(nowMs) } });
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

  #expiresIn(nowMs: number): bigint {
    return this.outside === undefined ? 0n : BigInt(Math.max(1, Math.round(this.outside.expiresAtMs - nowMs)));
  }

  #send(message: NonNullable<ConnectResponseInit['message']>): boolean {
    return this.outgoing.push({ message });
  }
}
