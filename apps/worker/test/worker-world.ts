/**
 * The built worker on loopback over the memory bus, its neighbours by contract: a policy service that signs real bundles, a
 * scheduler that mints real task grants and reads results, a registry that welcomes and instructs, and the gateway's blobs.
 * What they saw can be read by the tests.
 */
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { createMemoryHub, decode, messageTo, type Bus } from '@cogmesh/bus';
import { processEnvironment } from '@cogmesh/config';
import { gatewayV1, inferenceV1, policyV1, registryV1, workV1 } from '@cogmesh/contracts';
import { sharedQueueOf } from '@cogmesh/enforcement';
import { initialiseKeys, loadServiceIdentity, type ServiceIdentity } from '@cogmesh/identity';
import { createClient, implement, openChannel, Outgoing, serveRpc, type Channel, type RpcServer } from '@cogmesh/rpc';
import { hostService, type HostedService } from '@cogmesh/service';
import { workerService } from '@cogmesh/worker';
import { vi } from 'vitest';

export type WorkInit = Omit<MessageInitShape<typeof workV1.WorkSchema>, '$typeName'>;
type AgentMessage = MessageInitShape<typeof registryV1.ConnectResponseSchema>;
type InstructionInit = MessageInitShape<typeof registryV1.InstructionSchema>;

export const detect = 'model:acme/ppocr-detect@4.0.0';
export const recognize = 'model:acme/ppocr-recognize@4.0.0';
export const vad = 'model:acme/silero-vad@5.0.0';

export const demoFile = (name: string): Uint8Array =>
  readFileSync(new URL(`../../../deploy/demo/${name}`, import.meta.url));

/** Waits for a condition, at most 30 s. */
export const eventually = <T>(check: () => T | Promise<T>): Promise<T> =>
  vi.waitFor(check, { timeout: 30_000, interval: 10 });

export class WorkerWorld {
  readonly hub = createMemoryHub();
  readonly started: workV1.Started[] = [];
  readonly results: workV1.Result[] = [];
  readonly heard: registryV1.ConnectRequest[] = [];
  /** Blobs the gateway has, and what it was asked for. */
  readonly blobs = new Map<string, Uint8Array>();
  readonly fetched: { blob: string; grant: string }[] = [];
  readonly stored: { organisation: string; json: string }[] = [];
  streams = 0;
  readonly #dir: string;
  readonly #servers: RpcServer[] = [];
  readonly #channels: Channel[] = [];
  readonly #addresses: Record<string, string> = {};
  #toAgent: Outgoing<AgentMessage> | undefined;
  #scheduler!: ServiceIdentity;
  #bus!: Bus;
  #hosted: HostedService | undefined;
  #instructions = 0;

  private constructor(dir: string) {
    this.#dir = dir;
  }

  static async create(environment: Record<string, string> = {}): Promise<WorkerWorld> {
    const world = new WorkerWorld(await mkdtemp(join(tmpdir(), 'cogmesh-worker-')));
    await initialiseKeys(world.keysDir, { hostOrganisation: 'acme' });
    world.#scheduler = await loadServiceIdentity(world.keysDir, 'scheduler');
    await world.#serve('policy', await world.#policy());
    await world.#serve('registry', world.#registry());
    await world.#serve('gateway', world.#gateway());
    await world.#listen();
    await world.#start(environment);
    return world;
  }

  get keysDir(): string {
    return join(this.#dir, 'keys');
  }

  get agentId(): string {
    const hello = this.heard.map(({ message }) => message).findLast((message) => message.case === 'hello');
    return hello?.case === 'hello' ? hello.value.agentId : '';
  }

  /** The newest list of capabilities the registry heard. */
  get capabilities(): readonly registryV1.Capability[] {
    const lists = this.heard.flatMap(({ message }) =>
      message.case === 'hello' || message.case === 'heartbeat' ? [message.value.capabilities] : [],
    );
    return lists.at(-1) ?? [];
  }

  readiness() {
    return this.#hosted?.running.readiness();
  }

  async stop(): Promise<void> {
    const hosted = this.#hosted;
    this.#hosted = undefined;
    await hosted?.stop();
  }

  async close(): Promise<void> {
    await this.stop();
    for (const channel of this.#channels) channel.close();
    await this.#bus.close();
    for (const server of this.#servers) await server.stop(0);
    await rm(this.#dir, { recursive: true, force: true });
  }

  putBlob(bytes: Uint8Array): string {
    const id = `blob_${Array.from(randomBytes(26), (byte) => '0123456789ABCDEFGHJKMNPQRSTVWXYZ'[byte & 31]).join('')}`;
    this.blobs.set(id, bytes);
    return id;
  }

  /** Work for the worker's own queue, or the capability's shared one, with a genuine grant unless told otherwise. */
  async dispatch(
    work: readonly WorkInit[],
    options: { shared?: boolean; grantJws?: string; as?: Bus; blobs?: readonly string[] } = {},
  ): Promise<string[]> {
    const made = work.map((each) => create(workV1.WorkSchema, { ...workOf(), ...each }));
    const attempts = made.map(({ attemptId, capability, inputJson, organisation }) => ({
      attemptId,
      capability,
      organisation,
      blobs: options.blobs ?? [...inputJson.matchAll(/blob_[0-9A-Z]{26}/g)].map(([id]) => id),
      inputSha256: createHash('sha256').update(inputJson).digest('hex'),
    }));
    const queue = options.shared ? sharedQueueOf(made[0]?.capability ?? '') : `agent.${this.agentId}.work`;
    const reach = options.shared ? { queue } : { agent: this.agentId };
    const grant = { ...reach, attempts, expiresAtMs: Date.now() + 60_000 };
    const grantJws = options.grantJws ?? (await this.#scheduler.mintTaskGrant(grant));
    const bus = options.as ?? this.#bus;
    await bus.publish([messageTo({ queue }, workV1.WorkBatchSchema, { work: made, grantJws })]);
    return attempts.map(({ attemptId }) => attemptId);
  }

  /** Waits for the result of an attempt. */
  result(attemptId: string | undefined): Promise<workV1.Result> {
    return eventually(() => {
      const found = this.results.find((result) => result.attemptId === attemptId);
      if (!found) throw new Error(`no result of ${attemptId}`);
      return found;
    });
  }

  /** Dispatches one piece of work and waits for what became of it. */
  async outcome(
    work: WorkInit,
    options: Parameters<WorkerWorld['dispatch']>[1] = {},
  ): Promise<workV1.Result['outcome']> {
    const [attempt] = await this.dispatch([work], options);
    return (await this.result(attempt)).outcome;
  }

  /** Sends an instruction and waits for its acknowledgement. */
  async instruct(action: InstructionInit['action']): Promise<registryV1.InstructionAck> {
    const id = `i${(this.#instructions += 1)}`;
    this.#toAgent?.push({ message: { case: 'instruction', value: { id, ...(action ? { action } : {}) } } });
    return eventually(() => {
      const acks = this.heard.flatMap(({ message }) => (message.case === 'instructionAck' ? [message.value] : []));
      const found = acks.find((ack) => ack.instructionId === id);
      if (!found) throw new Error('not acknowledged');
      return found;
    });
  }

  /** Ends the agent's stream as a restarted registry would. */
  dropStream(): void {
    this.#toAgent?.end();
  }

  /** Direct calls as the gateway would make them, with a permit for the method. */
  async inference() {
    const identity = await loadServiceIdentity(this.keysDir, 'gateway');
    const subject = {
      issuer: 'https://issuer.test',
      sub: 'ann',
      organisation: 'acme',
      roles: [],
      tokenId: 't',
      attributes: {},
    };
    const access = ['ppocr-detect', 'silero-vad'].map((name) => ({
      action: 'infer',
      resource: `/models/acme/${name}`,
    }));
    const target = this.#hosted?.running.addresses['grpc'] ?? '';
    const authorize = async (method: string) =>
      `Bearer ${await identity.mintPermit({ audience: 'worker', method, access, subject })}`;
    const channel = openChannel({ target, authorize, maxMessageBytes: 32 * 1024 * 1024 });
    this.#channels.push(channel);
    return createClient(inferenceV1.InferenceService, channel);
  }

  async #start(environment: Record<string, string>): Promise<void> {
    this.#hosted = await hostService(workerService, {
      hub: this.hub,
      environment: {
        ...processEnvironment(),
        COGMESH_DATA_DIR: join(this.#dir, 'data'),
        COGMESH_KEYS_DIR: this.keysDir,
        COGMESH_LISTEN: '127.0.0.1:0',
        COGMESH_POLICY_ADDRESS: this.#addresses['policy'],
        COGMESH_REGISTRY_ADDRESS: this.#addresses['registry'],
        COGMESH_GATEWAY_ADDRESS: this.#addresses['gateway'],
        COGMESH_LOG_LEVEL: 'silent',
        COGMESH_POLICY_POLL_MS: '50',
        ...environment,
      },
    });
    await this.allWarm();
  }

  /** Waits until the service is ready and the registry has heard that every capability is. */
  async allWarm(): Promise<void> {
    await eventually(async () => {
      const readiness = await this.readiness();
      if (!readiness?.ready) throw new Error(`not ready: ${JSON.stringify(readiness)}`);
      if (this.capabilities.length === 0 || this.capabilities.some(({ ready }) => !ready)) throw new Error('not warm');
    });
  }

  async #listen(): Promise<void> {
    this.#bus = this.hub.connect('scheduler');
    await this.#bus.consume({ name: 'scheduler.started', kind: 'durable' }, async ([delivery]) => {
      if (delivery) this.started.push(...decode(workV1.StartedBatchSchema, delivery).started);
      return ['ack'];
    });
    await this.#bus.consume({ name: 'scheduler.results', kind: 'durable' }, async ([delivery]) => {
      if (delivery) this.results.push(...decode(workV1.ResultBatchSchema, delivery).results);
      return ['ack'];
    });
  }

  async #serve(name: string, service: ReturnType<typeof implement>): Promise<void> {
    const identity = await loadServiceIdentity(this.keysDir, name);
    const authenticate = async ({ metadata }: { metadata: ReadonlyMap<string, string> }) => {
      const token = (metadata.get('authorization') ?? '').replace(/^Bearer /, '');
      if (name === 'registry') return { kind: 'anonymous' as const };
      const { service: caller } = await identity.verifyServiceToken(token, name);
      return { kind: 'service' as const, service: caller };
    };
    const server = await serveRpc({ address: '127.0.0.1:0', services: [service], authenticate });
    this.#servers.push(server);
    this.#addresses[name] = server.address;
  }

  async #policy() {
    const identity = await loadServiceIdentity(this.keysDir, 'policy');
    const refused = () => Promise.reject(new Error('the worker does not call this'));
    const policies = {
      organisation: 'acme',
      roles: {},
      policies: [{ id: 'all', policy: 'true', permissions: ['*'], resources: ['/**'] }],
      grants: [],
    };
    return implement(policyV1.PolicyService, {
      getBundle: async ({ nonce, knownEpochs }) => ({
        organisations: ['acme'],
        bundlesJws:
          knownEpochs['acme'] === undefined
            ? [await identity.signBundle({ organisation: 'acme', epoch: 1, policies })]
            : [],
        heartbeatJws: await identity.signHeartbeat({ nonce, epochs: { acme: 1 } }),
      }),
      getIssuers: refused,
      decide: refused,
      decideMany: refused,
      explain: refused,
      getPolicies: refused,
      putPolicies: refused,
    });
  }

  #registry() {
    return implement(registryV1.AgentService, {
      connect: (requests) => {
        const outgoing = new Outgoing<AgentMessage>();
        this.#toAgent = outgoing;
        this.streams += 1;
        // A broken stream is what some tests make.
        this.#hear(requests, outgoing).catch(() => undefined);
        return outgoing;
      },
    });
  }

  async #hear(requests: AsyncIterable<registryV1.ConnectRequest>, outgoing: Outgoing<AgentMessage>): Promise<void> {
    try {
      for await (const request of requests) {
        this.heard.push(request);
        if (request.message.case !== 'hello') continue;
        const { agentId } = request.message.value;
        outgoing.push({ message: { case: 'welcome', value: { agentId, heartbeatIntervalMs: 50 } } });
      }
    } finally {
      outgoing.end();
    }
  }

  #gateway() {
    const blobs = this.blobs;
    const fetched = this.fetched;
    return implement(gatewayV1.BlobService, {
      fetch: async function* ({ blobId, taskGrantJws }) {
        fetched.push({ blob: blobId, grant: taskGrantJws });
        const bytes = blobs.get(blobId);
        if (!bytes) throw new Error(`no blob ${blobId}`);
        yield { part: { case: 'blob' as const, value: { id: blobId, bytes: BigInt(bytes.byteLength) } } };
        for (let at = 0; at < bytes.byteLength; at += 65_536) {
          yield { part: { case: 'chunk' as const, value: Uint8Array.from(bytes.subarray(at, at + 65_536)) } };
        }
      },
      store: async (parts) => {
        const chunks: Uint8Array[] = [];
        let organisation = '';
        for await (const { part } of parts) {
          if (part.case === 'header') organisation = part.value.organisation;
          if (part.case === 'chunk') chunks.push(part.value);
        }
        this.stored.push({ organisation, json: Buffer.concat(chunks).toString() });
        return { blob: { id: 'blob_01ARZ3NDEKTSV4RRFFQ69G5FAV' } };
      },
    });
  }
}

function workOf(): WorkInit {
  return {
    attemptId: randomBytes(16).toString('hex'),
    runId: 'run_01ARZ3NDEKTSV4RRFFQ69G5FAV',
    taskId: 'task',
    organisation: 'acme',
    capability: 'script',
    inputJson: '{}',
    timeoutMs: 30_000,
    notAfter: timestampFromMs(Date.now() + 60_000),
    attempt: 1,
    priority: 5,
  };
}
