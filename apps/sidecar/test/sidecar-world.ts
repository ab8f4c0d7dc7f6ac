import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { schedulerV1 } from '@cogmesh/contracts';
import { createBehindSidecar, createSidecarSecretFile, readSidecarSecret } from '@cogmesh/enforcement';
import { initialiseKeys, loadServiceIdentity, type PermitRequest, type ServiceIdentity } from '@cogmesh/identity';
import { createClient, openChannel, serveRpc, type Client, type RpcServer } from '@cogmesh/rpc';
import { hostService, type HostedService } from '@cogmesh/service';
import { createLogger } from '@cogmesh/telemetry';
import { sidecarService } from '@cogmesh/sidecar';
import { BundleService } from './bundle-service.js';
import { GuardedService } from './guarded-service.js';

const logger = createLogger({ level: 'silent' });
export const services = ['gateway', 'policy', 'scheduler', 'registry', 'worker'] as const;

/** A scheduler behind a real sidecar, with a policy service that answers as the contract says. */
export class SidecarWorld {
  readonly guarded = new GuardedService();
  readonly bundles: BundleService;
  #closers: (() => unknown)[] = [];
  #service: RpcServer | undefined;
  #sidecar: HostedService | undefined;

  private constructor(
    readonly dir: string,
    readonly identities: Readonly<Record<(typeof services)[number], ServiceIdentity>>,
  ) {
    this.bundles = new BundleService(identities.policy);
  }

  static async open(settings: Record<string, string> = {}): Promise<SidecarWorld> {
    const dir = await mkdtemp(join(tmpdir(), 'cogmesh-sidecar-'));
    await initialiseKeys(join(dir, 'keys'), { hostOrganisation: 'acme' });
    const identities = await Promise.all(
      services.map(async (name) => [name, await loadServiceIdentity(join(dir, 'keys'), name)] as const),
    );
    const world = new SidecarWorld(dir, Object.fromEntries(identities) as SidecarWorld['identities']);
    createSidecarSecretFile(world.secretFile);
    await world.startService();
    await world.#startSidecar(settings);
    return world;
  }

  get secretFile(): string {
    return join(this.dir, 'scheduler.secret');
  }

  /** Unix socket of the service itself: what a direct call would use. */
  get serviceAddress(): string {
    return `unix:${join(this.dir, 'scheduler.sock')}`;
  }

  get address(): string {
    return this.#sidecar?.running.addresses['grpc'] ?? '';
  }

  get sidecar(): HostedService {
    if (this.#sidecar === undefined) throw new Error('the sidecar is not running');
    return this.#sidecar;
  }

  async startService(): Promise<void> {
    const secret = readSidecarSecret({ file: this.secretFile, descriptor: -1 });
    const { verifier } = this.identities.scheduler;
    const authenticate = createBehindSidecar({ service: 'scheduler', secret, verifier });
    this.#service = await serveRpc({ address: this.serviceAddress, services: this.guarded.bindings(), authenticate });
  }

  /** Cuts every call, as a crash would. */
  async killService(): Promise<void> {
    await this.#service?.stop(0);
    this.#service = undefined;
  }

  /** Stops as a deployment does: calls under way may finish. */
  async drainService(): Promise<void> {
    const leaving = this.#service;
    this.#service = undefined;
    await leaving?.stop(10_000);
  }

  /** As a deployment does; calls under way may finish. */
  async stopSidecar(): Promise<void> {
    const leaving = this.#sidecar;
    this.#sidecar = undefined;
    await leaving?.stop();
  }

  client<S extends Parameters<typeof createClient>[0]>(service: S, target = this.address): Client<S> {
    const channel = openChannel({ target });
    this.#closers.push(() => channel.close());
    return createClient(service, channel);
  }

  /** Headers of a call with a fresh permit. */
  async permit(
    parts: Partial<PermitRequest> & { readonly roles?: readonly string[] } = {},
  ): Promise<{ authorization: string }> {
    const { roles = ['analyst'], ...request } = parts;
    const token = await this.identities.gateway.mintPermit({
      audience: 'scheduler',
      method: `/${schedulerV1.SchedulerService.typeName}/SubmitRun`,
      access: [{ action: 'create', resource: '/runs' }],
      subject: { issuer: 'https://a.example', sub: 'ann', organisation: 'acme', roles, tokenId: '', attributes: {} },
      ...request,
    });
    return { authorization: `Bearer ${token}` };
  }

  async serviceToken(service: (typeof services)[number], audience = 'scheduler'): Promise<{ authorization: string }> {
    return { authorization: `Bearer ${await this.identities[service].serviceToken(audience)}` };
  }

  async close(): Promise<void> {
    for (const close of this.#closers) close();
    this.guarded.release();
    await this.#sidecar?.stop();
    await this.killService();
    await rm(this.dir, { recursive: true, force: true });
  }

  async #startSidecar(settings: Record<string, string>): Promise<void> {
    const policy = await serveRpc({
      address: `unix:${join(this.dir, 'policy.sock')}`,
      services: [this.bundles.binding()],
    });
    this.#closers.push(() => policy.stop(0));
    this.#sidecar = await hostService(sidecarService, {
      logger,
      environment: {
        COGMESH_DATA_DIR: this.dir,
        COGMESH_LISTEN: '127.0.0.1:0',
        COGMESH_POLICY_ADDRESS: policy.address,
        COGMESH_POLICY_POLL_MS: '50',
        COGMESH_POLICY_MAX_STALENESS_MS: '500',
        COGMESH_SIDECAR_SERVICE: 'scheduler',
        COGMESH_SIDECAR_UPSTREAM: this.serviceAddress,
        COGMESH_SIDECAR_SECRET_FILE: this.secretFile,
        COGMESH_SIDECAR_DRAIN_TIMEOUT_MS: '200',
        ...settings,
      },
    });
  }
}
