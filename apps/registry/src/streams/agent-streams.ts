/**
 * Every open stream: Hello and admission, then messages in order, then what its end means. An id has one stream; a newer one of the
 * same identity takes over. State lives in the roster and the relays, not here.
 */
import type { registryV1 } from '@cogmesh/contracts';
import { CogmeshError, toCogmeshError } from '@cogmesh/errors';
import type {
  AgentRecord,
  AgentRoster,
  AgentStore,
  Capability,
  Clock,
  LeaseRenewals,
  PendingInstructions,
} from '@cogmesh/registry-core';
import type { Logger } from '@cogmesh/telemetry';
import type { Admission, Admitted } from '../admission/admission.js';
import type { RelayDesk } from '../relay/relay-desk.js';
import { toCapability, toPortrait } from '../rpc/agent-messages.js';
import type { SchemaShelf } from '../schemas/schema-shelf.js';
import { AgentStream, type ConnectResponseInit } from './agent-stream.js';

export interface AgentStreamsOptions {
  readonly admission: Admission;
  readonly roster: AgentRoster;
  readonly store: AgentStore;
  readonly schemas: Pick<SchemaShelf, 'acceptLater' | 'save'>;
  readonly renewals: LeaseRenewals;
  readonly pending: PendingInstructions;
  readonly relays: RelayDesk;
  readonly clock: Clock;
  /** A new ULID. */
  readonly newId: () => string;
  readonly logger: Logger;
  readonly helloTimeoutMs: number;
  readonly heartbeatMs: number;
  readonly maxAgents: number;
}

type Requests = AsyncIterable<registryV1.ConnectRequest>;

const agentId = /^agent_[0-9A-HJKMNP-TV-Z]{26}$/;

export class AgentStreams {
  readonly #options: AgentStreamsOptions;
  readonly #streams = new Map<string, AgentStream>();
  #closed = false;

  constructor(options: AgentStreamsOptions) {
    this.#options = options;
  }

  get(id: string): AgentStream | undefined {
    return this.#streams.get(id);
  }

  all(): readonly AgentStream[] {
    return [...this.#streams.values()];
  }

  /** The life of one stream. */
  async *connect(requests: Requests, signal: AbortSignal): AsyncGenerator<ConnectResponseInit> {
    const messages = requests[Symbol.asyncIterator]();
    const admitted = await this.#options.admission.admit(await this.#hello(messages, signal));
    const stream = await this.#open(admitted, signal);
    try {
      void this.#read(messages, stream);
      yield* stream.outgoing;
    } finally {
      this.#close(stream);
    }
  }

  /** The agent may not go on: what it holds goes back at once, and its id with it. */
  sendAway(stream: AgentStream, why: CogmeshError): void {
    const { roster, logger } = this.#options;
    logger.warn({ agent: stream.agentId, code: why.code }, `an agent is sent away: ${why.message}`);
    stream.isLeaving = true;
    roster.goodbye(stream.agentId);
    stream.end(why);
  }

  /** Ends every stream so that agents come back to the next registry, and takes no more. */
  endAll(): void {
    this.#closed = true;
    const error = new CogmeshError('unavailable', 'the registry is stopping; connect again');
    for (const stream of this.#streams.values()) stream.end(error);
  }

  async #hello(messages: AsyncIterator<registryV1.ConnectRequest>, signal: AbortSignal): Promise<registryV1.Hello> {
    const { helloTimeoutMs } = this.#options;
    const late = Promise.withResolvers<never>();
    const refuse = () => late.reject(new CogmeshError('timeout', `no Hello within ${helloTimeoutMs} ms`));
    const timer = setTimeout(refuse, helloTimeoutMs);
    signal.addEventListener('abort', refuse, { once: true });
    try {
      const first = await Promise.race([messages.next(), late.promise]);
      const message = first.done === true ? undefined : first.value.message;
      if (message?.case === 'hello') return message.value;
      throw new CogmeshError('invalid_argument', 'the first message of the stream must be Hello');
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', refuse);
    }
  }

  async #open(admitted: Admitted, signal: AbortSignal): Promise<AgentStream> {
    const { roster, store, schemas, newId, pending, maxAgents, heartbeatMs } = this.#options;
    if (this.#closed) throw new CogmeshError('unavailable', 'the registry is stopping; connect again');
    if (this.#streams.size >= maxAgents)
      throw new CogmeshError('overloaded', `${maxAgents} agents are connected already`);
    const { wantedId: _wanted, outside, ...introduction } = admitted;
    const id = this.#idFor(admitted);
    if (admitted.kind === 'sdk') await this.#options.relays.prepare(id, admitted.capabilities);
    const agent = roster.connect({ ...introduction, id });
    const names = new Set(admitted.capabilities.map(({ name }) => name));
    const stream = new AgentStream({ agentId: id, newId, pending, admitted: names, ...(outside ? { outside } : {}) });
    this.#streams.get(id)?.end(new CogmeshError('conflict', 'a newer stream of this agent took over'));
    this.#streams.set(id, stream);
    signal.addEventListener('abort', () => stream.end(), { once: true });
    try {
      await schemas.save();
      await store.save([agent]);
      stream.welcome(heartbeatMs, this.#options.clock.wallMs());
      if (agent.kind === 'sdk') await this.#options.relays.open(agent, stream);
    } catch (error) {
      this.#close(stream);
      throw error;
    }
    return stream;
  }

  /** A worker brings its id. An SDK agent gets one, and may come back under it. */
  #idFor({ kind, wantedId, identity }: Admitted): string {
    if (wantedId !== '' && !agentId.test(wantedId)) {
      throw new CogmeshError('invalid_argument', `"${wantedId.slice(0, 64)}" is not an agent id (agent_ and a ULID)`);
    }
    if (kind === 'worker' && wantedId !== '') return wantedId;
    const known = wantedId === '' ? undefined : this.#options.roster.get(wantedId);
    const own = known !== undefined && known.state !== 'GONE' && known.kind === kind && known.identity === identity;
    return own ? known.id : `agent_${this.#options.newId()}`;
  }

  async #read(messages: AsyncIterator<registryV1.ConnectRequest>, stream: AgentStream): Promise<void> {
    try {
      for (;;) {
        const next = await messages.next();
        if (next.done === true || stream.outgoing.ended) break;
        this.#receive(next.value.message, stream);
      }
      stream.end();
    } catch (thrown) {
      stream.end(toCogmeshError(thrown));
    }
  }

  #receive(message: registryV1.ConnectRequest['message'], stream: AgentStream): void {
    const relay = this.#options.relays.relay(stream.agentId);
    switch (message.case) {
      case 'heartbeat':
        return this.#heartbeat(message.value, stream);
      case 'instructionAck':
        return stream.acknowledged(message.value);
      case 'started':
        return relay?.started(message.value);
      case 'result':
        return relay?.result(message.value);
      case 'progress':
        return relay?.progress(message.value);
      case 'goodbye':
        return this.#goodbye(message.value, stream);
      case 'freshToken':
        return void this.#renew(message.value.token, stream);
      default:
        throw new CogmeshError(
          'invalid_argument',
          `a message "${message.case ?? 'empty'}" in the middle of the stream`,
        );
    }
  }

  #heartbeat(heartbeat: registryV1.Heartbeat, stream: AgentStream): void {
    const { roster, renewals, relays, clock } = this.#options;
    const before = roster.get(stream.agentId);
    const capabilities = this.#announced(heartbeat.capabilities, stream, before);
    const portrait = toPortrait(heartbeat.portrait, clock.wallMs());
    roster.heartbeat(stream.agentId, { portrait, capabilities, draining: heartbeat.draining });
    renewals.collect(stream.agentId, heartbeat.attemptIds);
    const relay = relays.relay(stream.agentId);
    if (!relay) return;
    relay.announce(capabilities);
    if (!heartbeat.draining) this.#inBackground(relays.resize(stream.agentId, capabilities), stream);
    relay.reconcile(heartbeat.attemptIds);
    if (heartbeat.draining && before?.state !== 'DRAINING') this.#inBackground(relays.drain(stream.agentId), stream);
  }

  #announced(
    said: readonly registryV1.Capability[],
    stream: AgentStream,
    before: AgentRecord | undefined,
  ): readonly Capability[] {
    const capabilities = said.map(toCapability).filter(({ name }) => this.#mayServe(name, stream, before));
    if (before?.kind === 'worker') return this.#options.schemas.acceptLater(capabilities, said);
    const digests = new Map(before?.capabilities.map(({ name, inputSchemaSha256 }) => [name, inputSchemaSha256]));
    return capabilities.map((capability) => {
      const inputSchemaSha256 = digests.get(capability.name);
      return inputSchemaSha256 === undefined ? capability : { ...capability, inputSchemaSha256 };
    });
  }

  /** Workers may load more models; an SDK agent serves what it was admitted for. */
  #mayServe(name: string, { admitted }: AgentStream, agent: AgentRecord | undefined): boolean {
    if (agent?.kind === 'worker') return name === 'script' || name.startsWith('model:');
    return admitted.has(name);
  }

  /** While nobody can say whether it is good, the token before stays, until it ends. */
  async #renew(token: string, stream: AgentStream): Promise<void> {
    const { admission, clock, logger } = this.#options;
    if (stream.outside === undefined)
      return stream.end(new CogmeshError('invalid_argument', 'a worker has no token to renew'));
    try {
      stream.tokenAccepted(await admission.renew(token, stream.outside.subject, [...stream.admitted]), clock.wallMs());
    } catch (thrown) {
      const error = toCogmeshError(thrown);
      if (!error.retryable) return stream.end(error);
      logger.warn({ err: error, agent: stream.agentId }, 'a fresh token could not be checked');
    }
  }

  #goodbye({ reason }: registryV1.Goodbye, stream: AgentStream): void {
    const { roster, logger } = this.#options;
    logger.info({ agent: stream.agentId, reason: reason.slice(0, 200) }, 'an agent said goodbye');
    stream.isLeaving = true;
    roster.goodbye(stream.agentId);
    stream.end();
  }

  #close(stream: AgentStream): void {
    const { roster, relays, pending } = this.#options;
    stream.end();
    relays.relay(stream.agentId)?.detach(stream);
    if (this.#streams.get(stream.agentId) !== stream) return;
    this.#streams.delete(stream.agentId);
    pending.agentLeft(stream.agentId);
    if (stream.isLeaving) this.#inBackground(relays.close(stream.agentId, 'the agent left'), stream);
    else roster.disconnect(stream.agentId);
  }

  #inBackground(work: Promise<unknown>, { agentId: agent }: AgentStream): void {
    work.catch((error: unknown) => this.#options.logger.warn({ err: error, agent }, 'handing back work failed'));
  }
}
