/**
 * The real scheduler on loopback: SQLite file or PostgreSQL, memory bus, real keys and permits, neighbours by contract.
 * It stands behind a sidecar, whose proof the client here makes itself; policy is then not the scheduler's question.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createMemoryHub, type Bus, type MemoryHub } from '@cogmesh/bus';
import { schedulerV1 } from '@cogmesh/contracts';
import { loadConfig } from '@cogmesh/config';
import { CogmeshError } from '@cogmesh/errors';
import { openPostgres, openSqlite, type Database } from '@cogmesh/database';
import {
  createSidecarProof,
  createSidecarSecretFile,
  readSidecarSecret,
  sidecarProofHeader,
} from '@cogmesh/enforcement';
import { initialiseKeys, loadServiceIdentity, type ServiceIdentity } from '@cogmesh/identity';
import { createClient, openChannel, type Access, type Channel, type Client, type CallOptions } from '@cogmesh/rpc';
import type { RunningService } from '@cogmesh/service';
import { createLogger } from '@cogmesh/telemetry';
import { schedulerConfig } from '../src/config.js';
import { schedulerService } from '../src/service.js';
import { startPolicy, type FakePolicy } from './fake-policy.js';
import { FakeAgent, output, type Behaviour } from './fake-agent.js';
import { readyAgent, startBlobs, startRegistry, type FakeBlobs, type FakeRegistry } from './neighbours.js';

export interface FixtureOptions {
  readonly postgresUrl?: string;
  /** PostgreSQL schema of this test alone. */
  readonly schema?: string;
  readonly settings?: Readonly<Record<string, string>>;
}

type SchedulerClient = Client<typeof schedulerV1.SchedulerService>;

export interface SubmitOptions {
  readonly organisation?: string;
  readonly idempotencyKey?: string;
  /** Rights in the permit; default: everything the document names. */
  readonly access?: readonly Access[];
}

const capabilities = {
  script: 8,
  'model:acme/detect@4.0.0': 8,
  'model:acme/read@4.0.0': 8,
  'model:acme/read@4.1.0': 8,
};

/** Polls until `condition` holds; fails after 15 s with what was awaited. */
export async function until<T>(
  what: string,
  condition: () => Promise<T | undefined | false> | T | undefined | false,
): Promise<T> {
  const deadline = Date.now() + 15_000;
  for (;;) {
    const value = await condition();
    if (value !== undefined && value !== false) return value;
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await delay(10);
  }
}

export class SchedulerFixture {
  readonly hub: MemoryHub;
  readonly agents: FakeAgent[] = [];
  readonly #options: FixtureOptions;
  #dir = '';
  #identity!: ServiceIdentity;
  #gateway!: ServiceIdentity;
  registry!: FakeRegistry;
  blobs!: FakeBlobs;
  policy!: FakePolicy;
  #running: RunningService | undefined;
  #bus: Bus | undefined;
  database!: Database;
  #channel: Channel | undefined;
  #crashed: Promise<unknown>[] = [];
  client!: SchedulerClient;

  /** Owner of everything but the scheduler itself. */
  readonly #host: SchedulerFixture | undefined;

  private constructor(options: FixtureOptions, host?: SchedulerFixture) {
    this.#options = options;
    this.#host = host;
    this.hub = host?.hub ?? createMemoryHub();
  }

  /** Another scheduler of the same database, broker and neighbours; to be closed before the first. */
  static beside(host: SchedulerFixture, settings: FixtureOptions['settings'] = {}): SchedulerFixture {
    const beside = new SchedulerFixture(
      { ...host.#options, settings: { ...host.#options.settings, ...settings } },
      host,
    );
    beside.#dir = host.#dir;
    beside.#identity = host.#identity;
    beside.#gateway = host.#gateway;
    const { registry, blobs, policy } = host;
    return Object.assign(beside, { registry, blobs, policy });
  }

  static async open(options: FixtureOptions = {}): Promise<SchedulerFixture> {
    const fixture = new SchedulerFixture(options);
    fixture.#dir = await mkdtemp(join(tmpdir(), 'cogmesh-scheduler-'));
    await initialiseKeys(join(fixture.#dir, 'keys'), { hostOrganisation: 'acme' });
    createSidecarSecretFile(join(fixture.#dir, 'secret'));
    fixture.#gateway = await loadServiceIdentity(join(fixture.#dir, 'keys'), 'gateway');
    fixture.#identity = await loadServiceIdentity(join(fixture.#dir, 'keys'), 'registry');
    fixture.registry = await startRegistry(`unix:${join(fixture.#dir, 'registry.sock')}`);
    fixture.blobs = await startBlobs(`unix:${join(fixture.#dir, 'gateway.sock')}`);
    fixture.policy = await startPolicy(`unix:${join(fixture.#dir, 'policy.sock')}`);
    return fixture;
  }

  async start(): Promise<void> {
    this.database = await this.#openDatabase();
    this.#bus = this.hub.connect('scheduler');
    const environment = {
      COGMESH_ENFORCEMENT: 'sidecar',
      COGMESH_SIDECAR_SECRET_FILE: join(this.#dir, 'secret'),
      COGMESH_SCHEDULER_SWEEP_MS: '500',
      ...this.#options.settings,
    };
    const host = {
      name: 'scheduler',
      dataDir: this.#dir,
      keysDir: join(this.#dir, 'keys'),
      logger: createLogger({ level: 'silent' }),
      bus: this.#breakable(this.#bus),
      database: this.database,
      listen: '127.0.0.1:0',
      peers: {
        gateway: this.blobs.address,
        registry: this.registry.address,
        policy: this.policy.address,
        scheduler: 'unix:/nowhere',
      },
      environment,
    } as const;
    this.#running = await schedulerService.start(host, loadConfig(schedulerConfig, environment));
    const secret = readSidecarSecret({ file: join(this.#dir, 'secret'), descriptor: -1 });
    this.#prove = createSidecarProof(secret);
    this.#channel = openChannel({ target: this.#running.addresses['grpc'] ?? '' });
    this.client = createClient(schedulerV1.SchedulerService, this.#channel);
    await until('the scheduler to be ready', async () => (await this.#running?.readiness())?.ready);
  }

  readiness() {
    return this.#running?.readiness();
  }

  #prove!: ReturnType<typeof createSidecarProof>;

  failedPublications = 0;
  #isBroken = false;

  /** Publications to agents fail until the answer is called. */
  breakBus(): () => void {
    this.#isBroken = true;
    return () => (this.#isBroken = false);
  }

  #breakable(bus: Bus): Bus {
    const publish: Bus['publish'] = async (messages) => {
      if (this.#isBroken) {
        this.failedPublications += 1;
        throw new CogmeshError('unavailable', 'the broker is down');
      }
      await bus.publish(messages);
    };
    return {
      durable: bus.durable,
      declare: (topology) => bus.declare(topology),
      consume: (queue, handler, options) => bus.consume(queue, handler, options),
      ping: () => bus.ping(),
      close: () => bus.close(),
      publish,
    };
  }

  /** As kill -9: its connections are gone at once, nothing is drained or handed back. */
  async crash(): Promise<void> {
    if (this.#bus) this.hub.sever(this.#bus);
    await this.database.close();
    this.#channel?.close();
    this.#crashed.push(this.#running?.stop().catch(() => undefined) ?? Promise.resolve());
    this.#running = undefined;
  }

  async stop(): Promise<void> {
    this.#channel?.close();
    await this.#requireNothingMended();
    await this.#running?.stop();
    await this.#bus?.close();
    await this.database.close();
    this.#running = undefined;
  }

  /** Memory was never wrong. */
  async #requireNothingMended(): Promise<void> {
    const detail = (await this.#running?.readiness())?.checks['memory']?.detail ?? '';
    if (detail.includes('mended')) throw new Error(`the sweeper found memory wrong: ${detail}`);
  }

  async close(): Promise<void> {
    for (const agent of this.agents) await agent.stop();
    if (this.#running) await this.stop();
    await Promise.all(this.#crashed);
    if (this.#host) return;
    await this.registry.server.stop();
    await this.blobs.server.stop();
    await this.policy.server.stop();
    await rm(this.#dir, { recursive: true, force: true });
  }

  async addAgent(
    id: string,
    behaviour: Behaviour = () => output(null),
    credits: Readonly<Record<string, number>> = capabilities,
  ): Promise<FakeAgent> {
    const agent = new FakeAgent(id, this.hub.connect('worker'), behaviour);
    await agent.start();
    this.agents.push(agent);
    this.registry.agents.set(id, readyAgent(id, credits));
    return agent;
  }

  /** A permit of the gateway and the sidecar's proof, as a call would carry them. */
  async permitted(
    method: keyof SchedulerClient,
    options: { organisation?: string; access?: readonly Access[]; roles?: readonly string[]; sub?: string } = {},
  ): Promise<CallOptions> {
    const { organisation = 'globex', access = [], roles = ['member'], sub = 'ada' } = options;
    const name = `${method.charAt(0).toUpperCase()}${method.slice(1)}`;
    const path = `/${schedulerV1.SchedulerService.typeName}/${name}`;
    const permit = await this.#gateway.mintPermit({
      audience: 'scheduler',
      method: path,
      access,
      subject: {
        issuer: `https://${organisation}.example`,
        sub,
        organisation,
        roles,
        tokenId: '',
        attributes: {},
      },
    });
    return this.#proven(path, `Bearer ${permit}`);
  }

  async asRegistry(method: string): Promise<CallOptions> {
    const token = await this.#identity.serviceToken('scheduler');
    return this.#proven(`/${schedulerV1.SchedulerService.typeName}/${method}`, `Bearer ${token}`);
  }

  #proven(method: string, authorization: string): CallOptions {
    return { metadata: { authorization, [sidecarProofHeader]: this.#prove({ method, authorization }) } };
  }

  async submit(document: unknown, options: SubmitOptions = {}): Promise<schedulerV1.Run> {
    return (await this.submitRaw(document, options)).run as schedulerV1.Run;
  }

  async submitRaw(document: unknown, { organisation = 'globex', idempotencyKey = '', access }: SubmitOptions = {}) {
    const permitted = await this.permitted('submitRun', {
      organisation,
      access: access ?? rightsFor(document, organisation),
    });
    return this.client.submitRun({ documentJson: JSON.stringify(document), idempotencyKey }, permitted);
  }

  async run(runId: string, organisation = 'globex'): Promise<schedulerV1.Run> {
    const { run } = await this.client.getRun({ runId }, await this.permitted('getRun', { organisation }));
    return run as schedulerV1.Run;
  }

  async output(runId: string, taskId = '', index?: number): Promise<unknown> {
    const request = { runId, taskId, ...(index === undefined ? {} : { index }) };
    const { outputJson } = await this.client.getOutput(request, await this.permitted('getOutput'));
    return outputJson === '' ? undefined : (JSON.parse(outputJson) as unknown);
  }

  async finished(runId: string): Promise<schedulerV1.Run> {
    return until(`run ${runId} to end`, async () => {
      const run = await this.run(runId);
      return run.finishedAt === undefined ? undefined : run;
    });
  }

  async history(runId: string, afterSequence = 0n): Promise<schedulerV1.RunEvent[]> {
    const events: schedulerV1.RunEvent[] = [];
    const permitted = await this.permitted('watchRun');
    for await (const { event } of this.client.watchRun(
      { runId, afterSequence },
      { ...permitted, deadlineMs: 15_000 },
    )) {
      if (event) events.push(event);
    }
    return events;
  }

  taskState(run: schedulerV1.Run, id: string): string {
    const task = run.tasks.find((each) => each.id === id);
    return task ? schedulerV1.TaskState[task.state] : 'missing';
  }

  async #openDatabase(): Promise<Database> {
    const { postgresUrl, schema = 'scheduler' } = this.#options;
    return postgresUrl === undefined
      ? openSqlite(join(this.#dir, 'scheduler.sqlite'))
      : openPostgres(postgresUrl, { schema });
  }
}

/** What the gateway would have asked policy for. */
function rightsFor(document: unknown, organisation: string): Access[] {
  const text = JSON.stringify(document);
  const models = [...text.matchAll(/"model:((?:[a-z0-9._-]+\/)?[a-z0-9._-]+)/g)].map(([, name = '']) => name);
  const tools = [...text.matchAll(/"tool:([a-z0-9._/-]+)/g)].map(([, name = '']) => name);
  const blobs = [...text.matchAll(/"\$blob":"(blob_[^"]+)"/g)].map(([, id = '']) => id);
  return [
    { action: 'create', resource: '/runs' },
    ...models.map((name) => ({
      action: 'infer',
      resource: `/models/${name.includes('/') ? name : `${organisation}/${name}`}`,
    })),
    ...tools.map((name) => ({ action: 'infer', resource: `/tools/${name}` })),
    ...blobs.map((id) => ({ action: 'read', resource: `/blobs/${id}` })),
  ];
}
