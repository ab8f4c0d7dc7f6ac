/**
 * The built registry on loopback over SQLite and the memory bus, with its neighbours by contract: a policy service that signs real
 * bundles, a scheduler that mints real task grants, and the gateway's blob service. What they saw can be read by the tests.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { createMemoryHub, decode, messageTo, type Bus } from '@cogmesh/bus';
import { eventsV1, gatewayV1, policyV1, registryV1, schedulerV1, workV1 } from '@cogmesh/contracts';
import { sharedQueueOf } from '@cogmesh/enforcement';
import {
  addIssuerKey,
  developmentIssuerRecord,
  initialiseKeys,
  loadServiceIdentity,
  mintDevelopmentToken,
  signPartnerGrant,
  type RevocationChange,
  type ServiceIdentity,
} from '@cogmesh/identity';
import { CogmeshError } from '@cogmesh/errors';
import { registryService } from '@cogmesh/registry';
import {
  createClient,
  implement,
  openChannel,
  Outgoing,
  serveRpc,
  type Channel,
  type Client,
  type RpcServer,
  type ServiceImplementation,
} from '@cogmesh/rpc';
import { hostService, type HostedService } from '@cogmesh/service';
import { vi } from 'vitest';

export type ConnectInit = MessageInitShape<typeof registryV1.ConnectRequestSchema>;
export type WorkInit = MessageInitShape<typeof workV1.WorkSchema>;

const policies = {
  roles: { provider: {} },
  policies: [{ id: 'all', policy: "role == 'provider'", permissions: ['*'], resources: ['/**'] }],
};

/** Waits for a condition, at most 10 s. */
export const eventually = <T>(check: () => T | Promise<T>): Promise<T> =>
  vi.waitFor(check, { timeout: 10_000, interval: 10 });

export class RegistryWorld {
  readonly hub = createMemoryHub();
  readonly started: workV1.Started[] = [];
  readonly progress: workV1.Progress[] = [];
  readonly results: workV1.Result[] = [];
  readonly events: eventsV1.AgentChanged[] = [];
  readonly renewed: schedulerV1.AgentLeases[] = [];
  readonly stored: { organisation: string; grant: string; bytes: Buffer }[] = [];
  /** Attempts the scheduler claims not to know. */
  readonly unknownAttempts = new Set<string>();
  /** Tools nobody may serve. */
  readonly deniedTools = new Set<string>();
  /** Issuers whose tokens are accepted, by the name of their key. */
  readonly issuers = new Set(['development', 'globex']);
  readonly revocations: RevocationChange[] = [];
  /** The policy service answers questions for bundles. */
  bundlesAnswer = true;
  renewalsFail = false;
  readonly environment: Record<string, string> = {};
  readonly #dir: string;
  readonly #servers: RpcServer[] = [];
  readonly #channels: Channel[] = [];
  readonly #addresses: Record<string, string> = {};
  #scheduler!: ServiceIdentity;
  #bus!: Bus;
  #hosted: HostedService | undefined;

  private constructor(dir: string) {
    this.#dir = dir;
  }

  static async create(environment: Record<string, string> = {}): Promise<RegistryWorld> {
    const world = new RegistryWorld(await mkdtemp(join(tmpdir(), 'cogmesh-registry-')));
    await initialiseKeys(world.keysDir, { hostOrganisation: 'acme', developmentIssuer: true });
    await addIssuerKey(world.keysDir, 'globex');
    world.#scheduler = await loadServiceIdentity(world.keysDir, 'scheduler');
    await world.#serveNeighbours();
    await world.#listen();
    Object.assign(world.environment, environment);
    await world.start();
    return world;
  }

  get keysDir(): string {
    return join(this.#dir, 'keys');
  }

  get address(): string {
    return this.#addresses['registry'] ?? '';
  }

  /** Starts the registry, or starts it again on the same address and database. */
  async start(): Promise<void> {
    const environment = {
      COGMESH_DATA_DIR: join(this.#dir, 'data'),
      COGMESH_KEYS_DIR: this.keysDir,
      COGMESH_LISTEN: this.address === '' ? '127.0.0.1:0' : this.address,
      COGMESH_POLICY_ADDRESS: this.#addresses['policy'] ?? '',
      COGMESH_SCHEDULER_ADDRESS: this.#addresses['scheduler'] ?? '',
      COGMESH_GATEWAY_ADDRESS: this.#addresses['gateway'] ?? '',
      COGMESH_LOG_LEVEL: 'silent',
      COGMESH_HEARTBEAT_MS: '50',
      COGMESH_AGENT_RECONNECT_GRACE_MS: '150',
      COGMESH_AGENT_RESTART_GRACE_MS: '1000',
      COGMESH_RENEW_AFTER_MS: '20',
      COGMESH_HELLO_TIMEOUT_MS: '200',
      COGMESH_AGENT_RECHECK_MS: '100',
      COGMESH_POLICY_POLL_MS: '50',
      ...this.environment,
    };
    this.#hosted = await hostService(registryService, { environment, hub: this.hub });
    this.#addresses['registry'] = this.#hosted.running.addresses['grpc'] ?? '';
    await eventually(async () => {
      if ((await this.#hosted?.running.readiness())?.ready !== true) throw new Error('not ready');
    });
  }

  async stop(): Promise<void> {
    const hosted = this.#hosted;
    this.#hosted = undefined;
    await hosted?.stop();
  }

  async close(): Promise<void> {
    for (const channel of this.#channels) channel.close();
    await this.stop();
    await this.#bus.close();
    for (const server of this.#servers) await server.stop(0);
    await rm(this.#dir, { recursive: true, force: true });
  }

  readiness() {
    return this.#hosted?.running.readiness();
  }

  token(organisation = 'acme', ttlSeconds = 600, sub = `${organisation}-agent`): Promise<string> {
    const issuerName = organisation === 'acme' ? 'development' : organisation;
    return mintDevelopmentToken(this.keysDir, {
      sub,
      roles: ['provider'],
      ttlSeconds,
      issuerName,
    });
  }

  async serviceToken(service: string, audience = 'registry'): Promise<string> {
    return (await loadServiceIdentity(this.keysDir, service)).serviceToken(audience);
  }

  /** As the scheduler or the gateway asks. */
  async client(service = 'scheduler'): Promise<Client<typeof registryV1.RegistryService>> {
    const identity = await loadServiceIdentity(this.keysDir, service);
    const authorize = async () => `Bearer ${await identity.serviceToken('registry')}`;
    return createClient(registryV1.RegistryService, this.#open(this.address, authorize));
  }

  connect(): RawAgent {
    return new RawAgent(createClient(registryV1.AgentService, this.#open(this.address)));
  }

  /** Work for one agent (its own queue) or for whoever serves the capability (the shared queue), with a genuine grant. */
  async dispatch(
    work: readonly WorkInit[],
    to: { readonly agent: string } | { readonly shared: string },
    as = this.#bus,
  ): Promise<string[]> {
    const made = work.map((each) => create(workV1.WorkSchema, workOf(each)));
    const attempts = made.map(({ attemptId, capability, inputJson, organisation }) => ({
      attemptId,
      capability,
      organisation,
      blobs: [],
      inputSha256: createHash('sha256').update(inputJson).digest('hex'),
    }));
    const queue = 'agent' in to ? `agent.${to.agent}.work` : sharedQueueOf(to.shared);
    const reach = 'agent' in to ? { agent: to.agent } : { queue };
    const grantJws = await this.#scheduler.mintTaskGrant({ ...reach, attempts, expiresAtMs: Date.now() + 60_000 });
    await as.publish([messageTo({ queue }, workV1.WorkBatchSchema, { work: made, grantJws })]);
    return attempts.map(({ attemptId }) => attemptId);
  }

  result(attemptId: string | undefined): Promise<workV1.Result> {
    return eventually(() => {
      const found = this.results.find((result) => result.attemptId === attemptId);
      if (!found) throw new Error(`no result of ${attemptId}`);
      return found;
    });
  }

  startOf(attemptId: string | undefined): Promise<workV1.Started> {
    return eventually(() => {
      const found = this.started.find((each) => each.attemptId === attemptId);
      if (!found) throw new Error(`${attemptId} was not started`);
      return found;
    });
  }

  #open(target: string, authorize?: () => Promise<string>): Channel {
    const channel = openChannel({ target, ...(authorize ? { authorize } : {}) });
    this.#channels.push(channel);
    return channel;
  }

  async #listen(): Promise<void> {
    this.#bus = this.hub.connect('scheduler');
    const queue = (name: string) => ({ name, kind: 'durable' as const });
    await this.#bus.consume(queue('scheduler.started'), async ([delivery]) => {
      const batch = delivery && decode(workV1.StartedBatchSchema, delivery);
      this.started.push(...(batch?.started ?? []));
      this.progress.push(...(batch?.progress ?? []));
      return ['ack'];
    });
    await this.#bus.consume(queue('scheduler.results'), async ([delivery]) => {
      if (delivery) this.results.push(...decode(workV1.ResultBatchSchema, delivery).results);
      return ['ack'];
    });
    const exchange = { name: 'registry.events', type: 'topic' as const };
    const events = { name: 'test.agents', kind: 'transient' as const, bindings: [{ exchange, routingKey: '#' }] };
    await this.#bus.consume(events, async ([delivery]) => {
      if (delivery) this.events.push(decode(eventsV1.AgentChangedSchema, delivery));
      return ['ack'];
    });
  }

  async #serveNeighbours(): Promise<void> {
    await this.#serve('policy', await this.#policy());
    await this.#serve('scheduler', this.#schedulerService());
    await this.#serve('gateway', this.#gateway());
  }

  async #serve(name: string, service: ReturnType<typeof implement>): Promise<void> {
    const identity = await loadServiceIdentity(this.keysDir, name);
    const authenticate = async ({ metadata }: { metadata: ReadonlyMap<string, string> }) => {
      const token = (metadata.get('authorization') ?? '').replace(/^Bearer /, '');
      const { service: caller } = await identity.verifyServiceToken(token, name);
      return { kind: 'service' as const, service: caller };
    };
    const server = await serveRpc({ address: '127.0.0.1:0', services: [service], authenticate });
    this.#servers.push(server);
    this.#addresses[name] = server.address;
  }

  async #policy() {
    const identity = await loadServiceIdentity(this.keysDir, 'policy');
    const organisations = ['acme', 'globex'];
    const scope = { actions: ['infer'], resources: ['/tools/acme/*'], expiresAtMs: Date.now() + 3_600_000 };
    const grant = await signPartnerGrant(this.keysDir, { id: 'g1', grantor: 'acme', grantee: 'globex', ...scope });
    const documentOf = (organisation: string) => ({
      organisation,
      ...policies,
      grants: organisation === 'acme' ? [grant] : [],
    });
    const refused = () => Promise.reject(new Error('the registry does not call this'));
    return implement(policyV1.PolicyService, {
      getIssuers: async () => ({
        issuers: await Promise.all([...this.issuers].map((name) => this.#issuer(name))),
      }),
      decideMany: async ({ requests }) => ({
        responses: requests.map(({ action, resource }) => {
          const allowed = action === 'serve' && resource?.type === 'tool' && !this.deniedTools.has(resource.id);
          return {
            allowed,
            code: allowed ? 'allowed' : 'denied_by_rule',
            reason: allowed ? 'rule all' : 'rule no-serve denies it',
          };
        }),
      }),
      getBundle: async ({ nonce, knownEpochs, knownRevocations }) => ({
        ...(await this.#revoked(identity, Number(knownRevocations))),
        bundlesJws: await Promise.all(
          organisations
            .filter((organisation) => knownEpochs[organisation] === undefined)
            .map((organisation) => identity.signBundle({ organisation, epoch: 1, policies: documentOf(organisation) })),
        ),
        heartbeatJws: await identity.signHeartbeat({
          nonce,
          epochs: { acme: 1, globex: 1 },
          revocations: this.revocations.length,
        }),
      }),
      decide: refused,
      explain: refused,
      getPolicies: refused,
      putPolicies: refused,
    });
  }

  /** What was revoked since; fails while the policy service is away. */
  async #revoked(identity: ServiceIdentity, since: number) {
    if (!this.bundlesAnswer) throw new CogmeshError('unavailable', 'away for the test');
    const changes = this.revocations.slice(since);
    const epoch = this.revocations.length;
    return changes.length === 0 ? {} : { revocationsJws: await identity.signRevocations({ since, epoch, changes }) };
  }

  /** Whatever it is, of whoever `token` is of. */
  revoke(token: string, kind: 'token' | 'subject' | 'issuer' | 'key'): void {
    const { kid = '' } = partOf<{ kid?: string }>(token, 0);
    const { iss: issuer, sub, jti } = partOf<{ iss: string; sub: string; jti: string }>(token, 1);
    const value = { token: jti, subject: sub, issuer: '', key: kid }[kind];
    const epoch = this.revocations.length + 1;
    this.revocations.push({ epoch, kind, organisation: 'acme', issuer, value, untilMs: 0, lifted: false });
  }

  async #issuer(issuerName: string) {
    const record = await developmentIssuerRecord(this.keysDir, { issuerName, allowedRoles: ['provider'] });
    const { issuer, organisation, jwksJson, audience, maxTtlSeconds } = record;
    return {
      issuer,
      organisation,
      jwksJson,
      audience,
      maxTtlSeconds,
      algorithms: ['EdDSA'],
      allowedRoles: ['provider'],
    };
  }

  #schedulerService() {
    const refused = () => Promise.reject(new Error('the registry does not call this'));
    const others = Object.fromEntries(
      schedulerV1.SchedulerService.methods.map(({ localName }) => [localName, refused]),
    );
    return implement(schedulerV1.SchedulerService, {
      ...(others as unknown as ServiceImplementation<typeof schedulerV1.SchedulerService>),
      renewLeases: async ({ agents }) => {
        if (this.renewalsFail) throw new Error('the scheduler is having a moment');
        this.renewed.push(...agents);
        const listed = agents.flatMap(({ attemptIds }) => attemptIds);
        return { unknownAttemptIds: listed.filter((id) => this.unknownAttempts.has(id)) };
      },
    });
  }

  #gateway() {
    return implement(gatewayV1.BlobService, {
      fetch: async function* () {
        throw new Error('the registry does not call this');
      },
      store: async (parts) => {
        const chunks: Uint8Array[] = [];
        let header: gatewayV1.StoreHeader | undefined;
        for await (const { part } of parts) {
          if (part.case === 'header') header = part.value;
          if (part.case === 'chunk') chunks.push(part.value);
        }
        const bytes = Buffer.concat(chunks);
        this.stored.push({ organisation: header?.organisation ?? '', grant: header?.taskGrantJws ?? '', bytes });
        return { blob: { id: 'blob_01', mediaType: header?.mediaType ?? '', bytes: BigInt(bytes.length) } };
      },
    });
  }
}

const partOf = <T>(token: string, at: number): T =>
  JSON.parse(Buffer.from(token.split('.')[at] ?? '', 'base64url').toString()) as T;

function workOf(work: WorkInit): WorkInit {
  return {
    attemptId: randomBytes(16).toString('hex'),
    runId: 'run_1',
    taskId: 'look',
    organisation: 'acme',
    capability: 'tool:acme/lookup',
    inputJson: '{}',
    attempt: 1,
    notAfter: timestampFromMs(Date.now() + 60_000),
    ...work,
  };
}

/** An agent's side of the stream by hand, for what the SDK never does. */
export class RawAgent {
  readonly received: registryV1.ConnectResponse['message'][] = [];
  /** Resolves with why the stream ended: an error code, or `ended`. */
  readonly ended: Promise<{
    readonly code: string;
    readonly message: string;
    readonly details?: Record<string, unknown>;
  }>;
  readonly #outgoing = new Outgoing<ConnectInit>();
  readonly #abort = new AbortController();

  constructor(client: Client<typeof registryV1.AgentService>) {
    this.ended = this.#read(client.connect(this.#outgoing, { signal: this.#abort.signal }));
  }

  send(message: NonNullable<ConnectInit['message']>): void {
    this.#outgoing.push({ message });
  }

  hello(hello: MessageInitShape<typeof registryV1.HelloSchema>): void {
    this.send({ case: 'hello', value: { name: 'raw', ...hello } });
  }

  /** Cuts the stream as a crash would. */
  cut(): void {
    this.#abort.abort();
  }

  /** The agent id of the Welcome. */
  async welcome(): Promise<string> {
    return (await this.next('welcome')).agentId;
  }

  next<Case extends NonNullable<registryV1.ConnectResponse['message']['case']>>(
    which: Case,
  ): Promise<Extract<registryV1.ConnectResponse['message'], { case: Case }>['value']> {
    return eventually(() => {
      const found = this.received.find((message) => message.case === which);
      if (!found) throw new Error(`no ${which} was received`);
      return found.value as never;
    });
  }

  async #read(stream: AsyncIterable<registryV1.ConnectResponse>) {
    try {
      for await (const { message } of stream) this.received.push(message);
      return { code: 'ended', message: '' };
    } catch (thrown) {
      return thrown as { code: string; message: string };
    } finally {
      this.#outgoing.end();
    }
  }
}
