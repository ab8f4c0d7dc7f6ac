/**
 * The built policy service on a loopback port over a real database, with the keys of a data directory, and the callers
 * it has: services with their own tokens, and the gateway's permits for members of organisations.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DescService } from '@bufbuild/protobuf';
import { createMemoryHub, type MemoryHub } from '@cogmesh/bus';
import { policyV1 } from '@cogmesh/contracts';
import {
  addOrganisationKey,
  developmentIssuerRecord,
  initialiseKeys,
  loadServiceIdentity,
  signPartnerGrant,
} from '@cogmesh/identity';
import { policyService } from '@cogmesh/policy';
import { createClient, openChannel, type Access, type Channel, type Client } from '@cogmesh/rpc';
import { hostService, type HostedService } from '@cogmesh/service';

export type PolicyClient = Client<typeof policyV1.PolicyService>;

export const acmePolicies = {
  organisation: 'acme',
  roles: { admin: {}, operator: {} },
  policies: [
    { id: 'admins', policy: "role == 'admin'", permissions: ['*'], resources: ['/**'] },
    {
      id: 'partners',
      policy: "org_id == 'globex' && role == 'reader'",
      permissions: ['infer'],
      resources: ['/models/acme/*'],
    },
    {
      id: 'no-voice',
      policy: "org_id != 'acme'",
      permissions: ['infer'],
      resources: ['/models/acme/voice'],
      effect: 'deny',
    },
  ],
};

export const globexPolicies = [
  {
    id: 'readers',
    policy: "role == 'reader'",
    permissions: ['infer', 'create'],
    resources: ['/models/acme/*', '/runs'],
  },
];

export class PolicyWorld {
  readonly hub: MemoryHub = createMemoryHub();
  readonly #dir: string;
  readonly #databaseUrl: string;
  readonly #running: HostedService[] = [];
  readonly #channels: Channel[] = [];

  private constructor(dir: string, databaseUrl: string) {
    this.#dir = dir;
    this.#databaseUrl = databaseUrl;
  }

  /** Keys for acme and globex, nothing else. An empty URL means SQLite. */
  static async create(databaseUrl: string): Promise<PolicyWorld> {
    const dir = await mkdtemp(join(tmpdir(), 'cogmesh-policy-'));
    const world = new PolicyWorld(dir, databaseUrl);
    await initialiseKeys(world.keysDir, { hostOrganisation: 'acme', developmentIssuer: true });
    await addOrganisationKey(world.keysDir, 'globex');
    return world;
  }

  get keysDir(): string {
    return join(this.#dir, 'keys');
  }

  get bootstrapDir(): string {
    return join(this.#dir, 'bootstrap');
  }

  /** Two organisations, the development issuer, and a grant from acme to globex. */
  async writeBootstrap(): Promise<void> {
    const issuer = await developmentIssuerRecord(this.keysDir, { allowedRoles: ['admin', 'operator'] });
    await this.write('organisations.json', [{ name: 'acme' }, { name: 'globex' }]);
    await this.write('issuers.json', [issuer]);
    await this.write('policies/acme.json', acmePolicies);
    await this.write('policies/globex.json', globexPolicies);
    await this.write('grants/g1.jws', await this.grant({ id: 'g1' }));
  }

  async write(file: string, content: unknown): Promise<void> {
    const path = join(this.bootstrapDir, file);
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
  }

  forgetBootstrap(): Promise<void> {
    return rm(this.bootstrapDir, { recursive: true });
  }

  grant({
    id,
    grantor = 'acme',
    grantee = 'globex',
  }: {
    id: string;
    grantor?: string;
    grantee?: string;
  }): Promise<string> {
    const expiresAtMs = Date.now() + 3_600_000;
    const scope = { actions: ['infer'], resources: [`/models/${grantor}/*`] };
    return signPartnerGrant(this.keysDir, { id, grantor, grantee, ...scope, expiresAtMs });
  }

  /** Instances beside each other have folders of their own. */
  async start(folder = 'data'): Promise<HostedService> {
    const environment = {
      COGMESH_DATA_DIR: join(this.#dir, folder),
      COGMESH_KEYS_DIR: this.keysDir,
      COGMESH_LISTEN: '127.0.0.1:0',
      COGMESH_DATABASE_URL: this.#databaseUrl,
      COGMESH_POLICY_BOOTSTRAP_DIR: this.bootstrapDir,
      COGMESH_LOG_LEVEL: 'silent',
      COGMESH_DECISION_LOG_SHIP_MS: '10',
      COGMESH_DECISION_LOG_WINDOW_MS: '10',
      COGMESH_DECISION_LOG_COUNT_MS: '10',
    };
    const hosted = await hostService(policyService, { environment, hub: this.hub });
    this.#running.push(hosted);
    return hosted;
  }

  async stop(hosted: HostedService): Promise<void> {
    this.#running.splice(this.#running.indexOf(hosted), 1);
    await hosted.stop();
  }

  /** Calls as a service, with its identity alone. */
  async as(service: string, hosted: HostedService): Promise<PolicyClient> {
    const identity = await loadServiceIdentity(this.keysDir, service);
    const channel = this.#channel(hosted, async () => `Bearer ${await identity.serviceToken('policy')}`);
    return createClient(policyV1.PolicyService, channel);
  }

  /** Calls as the gateway does for a member: a new permit per call. */
  async asMember(member: string, access: readonly Access[], hosted: HostedService): Promise<PolicyClient> {
    return createClient(policyV1.PolicyService, this.memberChannel(member, access, hosted));
  }

  /** For the other services of the process: every call over it carries a new permit of the member. */
  memberChannel(member: string, access: readonly Access[], hosted: HostedService): Channel {
    return this.#channel(hosted, (method) => this.permit(member, access, method).then((permit) => `Bearer ${permit}`));
  }

  /** As `asMember`, of another of its services. */
  async memberOf<S extends DescService>(
    service: S,
    { member, access, hosted }: { member: string; access: readonly Access[]; hosted: HostedService },
  ): Promise<Client<S>> {
    const authorize = (method: string) => this.permit(member, access, method).then((permit) => `Bearer ${permit}`);
    const channel = openChannel({ target: hosted.running.addresses['grpc'] ?? '', authorize });
    this.#channels.push(channel);
    return createClient(service, channel);
  }

  /** A permit for `acme admin`, to call `method`. */
  async permit(member: string, access: readonly Access[], method: string): Promise<string> {
    const [organisation = '', role = ''] = member.split(' ');
    const gateway = await loadServiceIdentity(this.keysDir, 'gateway');
    const who = { issuer: 'https://dev.cogmesh.invalid', sub: member, organisation, roles: [role] };
    const subject = { ...who, tokenId: 'token-1', attributes: {} };
    return gateway.mintPermit({ audience: 'policy', method, access, subject });
  }

  #channel(hosted: HostedService, authorize: (method: string) => Promise<string>): Channel {
    const channel = openChannel({ target: hosted.running.addresses['grpc'] ?? '', authorize });
    this.#channels.push(channel);
    return channel;
  }

  async close(): Promise<void> {
    for (const channel of this.#channels) channel.close();
    for (const hosted of this.#running) await hosted.stop();
    await rm(this.#dir, { recursive: true, force: true });
  }
}

/** A decision request in short: `globex reader`, `infer`, `model:acme/x`. */
export function asked(who: string, action: string, resource: string) {
  const [organisation = '', role = ''] = who.split(' ');
  const colon = resource.indexOf(':');
  return {
    subject: { issuer: 'https://dev.cogmesh.invalid', sub: who, organisation, roles: [role] },
    action,
    resource: { type: resource.slice(0, colon), id: resource.slice(colon + 1) },
  };
}
