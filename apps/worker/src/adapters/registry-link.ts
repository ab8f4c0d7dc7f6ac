/**
 * The worker's stream to the registry: says hello, sends heartbeats, carries out instructions, says goodbye. A broken
 * stream is opened again with back-off under the same agent id; the worker goes on working meanwhile.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { registryV1 } from '@cogmesh/contracts';
import { Outgoing, type Client } from '@cogmesh/rpc';
import type { Logger } from '@cogmesh/telemetry';
import type { CapabilityInit } from '../inference/capabilities.js';
import type { Acknowledgement } from '../instructions.js';
import type { PortraitInit } from '../portrait.js';

type ConnectInit = MessageInitShape<typeof registryV1.ConnectRequestSchema>;

const firstBackoffMs = 100;
const lastBackoffMs = 2000;
/** Until the registry says otherwise, milliseconds. */
const defaultHeartbeatMs = 2000;
/** How long a goodbye may take to be read, milliseconds. */
const goodbyeMs = 1000;

export interface RegistryLinkOptions {
  readonly client: Pick<Client<typeof registryV1.AgentService>, 'connect'>;
  /** A service token for the registry. */
  readonly token: () => Promise<string>;
  readonly agentId: string;
  readonly name: string;
  /** Of the worker's InferenceService (its sidecar's in a cluster). */
  readonly address: string;
  readonly capabilities: () => readonly CapabilityInit[];
  readonly portrait: () => Promise<PortraitInit>;
  readonly attemptIds: () => readonly string[];
  readonly isDraining: () => boolean;
  readonly carryOut: (instruction: registryV1.Instruction) => Promise<Acknowledgement>;
  readonly logger: Logger;
}

export class RegistryLink {
  private outgoing: Outgoing<ConnectInit> | undefined;
  private heartbeatMs = defaultHeartbeatMs;
  private welcomed = false;
  private readonly leaving = new AbortController();
  private running: Promise<void> | undefined;

  constructor(private readonly options: RegistryLinkOptions) {}

  get isConnected(): boolean {
    return this.welcomed;
  }

  start(): void {
    this.running = this.run();
  }

  /** Tells the registry now what changed, instead of at the next beat. */
  async beat(): Promise<void> {
    const { portrait, attemptIds, capabilities, isDraining } = this.options;
    const heartbeat = {
      portrait: await portrait(),
      attemptIds: [...attemptIds()],
      capabilities: [...capabilities()],
      draining: isDraining(),
    };
    if (this.welcomed) this.outgoing?.push({ message: { case: 'heartbeat', value: heartbeat } });
  }

  /** Says goodbye and closes the stream. */
  async stop(reason: string): Promise<void> {
    this.leaving.abort();
    this.outgoing?.push({ message: { case: 'goodbye', value: { reason } } });
    this.outgoing?.end();
    await Promise.race([this.running, delay(goodbyeMs, undefined, { ref: false })]);
  }

  private async run(): Promise<void> {
    const { signal } = this.leaving;
    for (let waitMs = firstBackoffMs; !signal.aborted; waitMs = Math.min(lastBackoffMs, 2 * waitMs)) {
      try {
        if (await this.connectOnce()) waitMs = firstBackoffMs;
      } catch (thrown) {
        if (!signal.aborted) this.options.logger.warn({ err: thrown }, 'the stream to the registry broke');
      }
      this.welcomed = false;
      if (!signal.aborted) await delay(waitMs, undefined, { signal }).catch(() => undefined);
    }
  }

  /** One stream from hello to its end; whether the registry had welcomed it. */
  private async connectOnce(): Promise<boolean> {
    const outgoing = new Outgoing<ConnectInit>();
    this.outgoing = outgoing;
    outgoing.push(await this.hello());
    const beats = new AbortController();
    let welcomed = false;
    try {
      for await (const { message } of this.options.client.connect(outgoing)) {
        if (message.case === 'welcome') {
          welcomed = this.welcomed = true;
          this.heartbeatMs = message.value.heartbeatIntervalMs || defaultHeartbeatMs;
          void this.keepBeating(beats.signal);
        } else if (message.case === 'instruction') this.obey(message.value, outgoing);
      }
    } finally {
      beats.abort();
      outgoing.end();
    }
    return welcomed;
  }

  private async hello(): Promise<ConnectInit> {
    const { token, name, agentId, address, capabilities } = this.options;
    const hello = {
      token: await token(),
      name,
      kind: registryV1.AgentKind.WORKER,
      agentId,
      address,
      capabilities: [...capabilities()],
    };
    return { message: { case: 'hello', value: hello } };
  }

  private async keepBeating(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.beat().catch((thrown: unknown) => this.options.logger.warn({ err: thrown }, 'a heartbeat failed'));
      await delay(this.heartbeatMs, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  private obey(instruction: registryV1.Instruction, outgoing: Outgoing<ConnectInit>): void {
    const { carryOut, logger } = this.options;
    logger.info({ instruction: instruction.action.case, id: instruction.id }, 'instruction received');
    void carryOut(instruction).then(({ accepted, message }) => {
      outgoing.push({
        message: { case: 'instructionAck', value: { instructionId: instruction.id, accepted, message } },
      });
    });
  }
}
