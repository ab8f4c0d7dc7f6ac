/** The real gateway on loopback, with SQLite, real blobs and real keys in a folder of its own, among fake neighbours. */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMemoryHub } from '@cogmesh/bus';
import {
  addIssuerKey,
  developmentIssuerRecord,
  initialiseKeys,
  loadServiceIdentity,
  mintDevelopmentToken,
  type ServiceIdentity,
} from '@cogmesh/identity';
import { hostService, type HostedService } from '@cogmesh/service';
import { createLogger } from '@cogmesh/telemetry';
import { gatewayService } from '../src/service.js';
import { FakePolicy, FakeRegistry, FakeScheduler, type Served } from './fake-neighbours.js';

export type Who = 'member' | 'guest' | 'acme' | 'expired' | 'rogue' | 'forged' | 'nobody';

export interface WorldOptions {
  readonly environment?: Readonly<Record<string, string>>;
  /** With the embedded trace store in `traces.sqlite`. */
  readonly traceStore?: boolean;
}

export class GatewayWorld {
  readonly policy = new FakePolicy();
  readonly scheduler = new FakeScheduler();
  readonly registry = new FakeRegistry();
  readonly hub = createMemoryHub();
  dir = '';
  url = '';
  grpc = '';
  #hosted: HostedService | undefined;
  readonly #served = new Map<string, Served>();

  static async start(options: WorldOptions = {}): Promise<GatewayWorld> {
    const world = new GatewayWorld();
    world.dir = await mkdtemp(join(tmpdir(), 'gateway-'));
    await initialiseKeys(world.keysDir, { hostOrganisation: 'acme' });
    for (const organisation of ['acme', 'globex', 'rogue']) await addIssuerKey(world.keysDir, organisation);
    const allowedRoles = ['member'];
    for (const issuerName of ['acme', 'globex']) {
      world.policy.issuers.push(await developmentIssuerRecord(world.keysDir, { issuerName, allowedRoles }));
    }
    await world.#forge();
    for (const name of ['policy', 'scheduler', 'registry'] as const) await world.serve(name);
    const traceStore = options.traceStore === true ? { COGMESH_TRACE_STORE: join(world.dir, 'traces.sqlite') } : {};
    await world.#startGateway({ ...traceStore, ...options.environment });
    return world;
  }

  get keysDir(): string {
    return join(this.dir, 'keys');
  }

  socket(name: string): string {
    return `unix:${join(this.dir, `${name}.sock`)}`;
  }

  async serve(name: 'policy' | 'scheduler' | 'registry'): Promise<void> {
    this.#served.set(name, await this[name].serve(this.keysDir, this.socket(name)));
  }

  async stopServing(name: string): Promise<void> {
    await this.#served.get(name)?.stop();
    this.#served.delete(name);
  }

  /** Globex's member and guest, acme's member, and those who must not get in. */
  async token(who: Who): Promise<string> {
    if (who === 'nobody') return '';
    const issuerName = {
      member: 'globex',
      guest: 'globex',
      acme: 'acme',
      expired: 'globex',
      rogue: 'rogue',
      forged: 'forged',
    }[who];
    return mintDevelopmentToken(this.keysDir, {
      issuerName,
      sub: who,
      roles: who === 'guest' ? ['admin'] : ['member'],
      ttlSeconds: who === 'expired' ? -120 : 600,
    });
  }

  async headers(who: Who): Promise<Record<string, string>> {
    const token = await this.token(who);
    return token === '' ? {} : { authorization: `Bearer ${token}` };
  }

  async fetch(who: Who, path: string, init: RequestInit & { duplex?: 'half' } = {}): Promise<Response> {
    return fetch(this.url + path, {
      ...init,
      headers: { ...(await this.headers(who)), ...(init.headers as Record<string, string>) },
    });
  }

  identity(service: string): Promise<ServiceIdentity> {
    return loadServiceIdentity(this.keysDir, service);
  }

  /** Every file below the blob folder: what a failed upload left would be here. */
  async blobFiles(): Promise<string[]> {
    const entries = await readdir(join(this.dir, 'data'), { recursive: true, withFileTypes: true });
    return entries.filter((entry) => entry.isFile() && entry.parentPath.includes('blobs')).map((entry) => entry.name);
  }

  async stopGateway(): Promise<void> {
    await this.#hosted?.stop();
    this.#hosted = undefined;
  }

  async stop(): Promise<void> {
    await this.stopGateway();
    for (const name of [...this.#served.keys()]) await this.stopServing(name);
    await rm(this.dir, { recursive: true, force: true });
  }

  /** Globex's own key under acme's issuer: what a partner gone bad would sign. */
  async #forge(): Promise<void> {
    const read = async (name: string) =>
      JSON.parse(await readFile(join(this.keysDir, 'issuers', `${name}.jwk`), 'utf8')) as Record<string, unknown>;
    const [acme, globex] = [await read('acme'), await read('globex')];
    const forged = { ...globex, iss: acme['iss'], organisation: 'acme', kid: acme['kid'] };
    await writeFile(join(this.keysDir, 'issuers', 'forged.jwk'), JSON.stringify(forged), { mode: 0o600 });
  }

  async #startGateway(environment: Readonly<Record<string, string>>): Promise<void> {
    this.#hosted = await hostService(gatewayService, {
      hub: this.hub,
      logger: createLogger({ level: 'silent' }),
      environment: {
        COGMESH_DATA_DIR: join(this.dir, 'data'),
        COGMESH_KEYS_DIR: this.keysDir,
        COGMESH_LISTEN: this.socket('gateway'),
        COGMESH_HTTP_LISTEN: '127.0.0.1:0',
        COGMESH_POLICY_ADDRESS: this.socket('policy'),
        COGMESH_SCHEDULER_ADDRESS: this.socket('scheduler'),
        COGMESH_REGISTRY_ADDRESS: this.socket('registry'),
        COGMESH_DEV: '1',
        COGMESH_ISSUER_REFRESH_MS: '100',
        COGMESH_POLICY_POLL_MS: '100',
        ...environment,
      },
    });
    const { http = '', grpc = '' } = this.#hosted.running.addresses;
    this.url = http;
    this.grpc = grpc;
    await until(async () => (await fetch(`${http}/readyz`)).ok, 'the gateway is ready');
  }
}

/** Polls until the condition holds; fails after 10 s. */
export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const deadline = performance.now() + 10_000; ;) {
    if (await condition()) return;
    if (performance.now() > deadline) throw new Error(`${what}: did not happen within 10 s`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
