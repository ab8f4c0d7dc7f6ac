/** The real policy service and the real gateway in this process, asked over HTTP as an enforcement point asks. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMemoryHub } from '@cogmesh/bus';
import { gatewayService } from '@cogmesh/gateway';
import { addIssuerKey, developmentIssuerRecord, initialiseKeys, mintDevelopmentToken } from '@cogmesh/identity';
import { policyService } from '@cogmesh/policy';
import { hostService, type HostedService } from '@cogmesh/service';
import { createLogger } from '@cogmesh/telemetry';

const policies = {
  organisation: 'acme',
  roles: { manager: { inherits: ['member'] }, member: {}, auditor: {} },
  bindings: [{ id: 'managers', role: 'manager', subjects: [{ sub: 'alice' }, { sub: 'mallory' }] }],
  entities: {
    'record:101': { attributes: { department: 'Sales' } },
    'record:102': { attributes: { department: 'Legal' } },
    'record:103': { attributes: { department: 'Sales', status: 'final' } },
    'user:alice': { attributes: { department: 'Sales' } },
    'user:bob': { attributes: { department: 'Legal' } },
  },
  policies: [
    {
      id: 'own-department',
      policy: 'attributes.department == resource.attributes.department',
      permissions: ['view'],
      resources: ['/record/*'],
    },
    { id: 'managers-edit', policy: "role == 'manager'", permissions: ['edit'], resources: ['/record/*'] },
    { id: 'by-day', policy: 'context.hour < 18', permissions: ['print'], resources: ['/record/*'] },
    {
      id: 'no-drafts',
      policy: "has(resource.attributes.status) && resource.attributes.status == 'draft'",
      permissions: ['*'],
      resources: ['/record/*'],
      effect: 'deny',
    },
    {
      id: 'sign-with-care',
      policy: "sub == 'alice'",
      permissions: ['sign'],
      resources: ['/record/*'],
      obligations: [{ id: 'mfa', type: 'step-up', properties: { acr: 'loa3' } }],
    },
    {
      id: 'robots-sweep',
      policy: "sub == 'robot::r2'",
      permissions: ['sweep'],
      resources: ['/hall/main'],
    },
    { id: 'posting', policy: "context.action.method == 'POST'", permissions: ['call'], resources: ['/route/**'] },
    { id: 'auditors-revoke', policy: "role == 'auditor'", permissions: ['write'], resources: ['/revocations'] },
    { id: 'auditors-ask', policy: "role == 'auditor'", permissions: ['evaluate'], resources: ['/access'] },
    {
      id: 'look-with-care',
      policy: "role == 'member'",
      permissions: ['read'],
      resources: ['/policies'],
      obligations: [{ id: 'watermark' }],
    },
  ],
};

/** Who asks: an enforcement point, somebody who may ask about others, and a plain member. */
const rolesOf = { pep: ['enforcement-point'], auditor: ['auditor'], carol: ['member'], stranger: [] } as const;
export type Who = keyof typeof rolesOf;

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

export class AuthzenWorld {
  readonly #dir: string;
  readonly #policies: unknown;
  readonly #hosted: HostedService[] = [];
  url = '';

  private constructor(dir: string, document: unknown) {
    this.#dir = dir;
    this.#policies = document;
  }

  static async start(
    environment: Readonly<Record<string, string>> = {},
    document: unknown = policies,
  ): Promise<AuthzenWorld> {
    const world = new AuthzenWorld(await mkdtemp(join(tmpdir(), 'authzen-')), document);
    await initialiseKeys(world.#keysDir, { hostOrganisation: 'acme' });
    await world.#bootstrap();
    const hub = createMemoryHub();
    const common = {
      COGMESH_DATA_DIR: join(world.#dir, 'data'),
      COGMESH_KEYS_DIR: world.#keysDir,
      COGMESH_POLICY_BOOTSTRAP_DIR: join(world.#dir, 'bootstrap'),
      COGMESH_HTTP_LISTEN: '127.0.0.1:0',
      COGMESH_DEV: '1',
      COGMESH_RATE_BURST: '1000000',
      ...environment,
    };
    const socket = (name: string) => `unix:${join(world.#dir, `${name}.sock`)}`;
    const peers = Object.fromEntries(
      ['policy', 'scheduler', 'registry'].map((name) => [`COGMESH_${name.toUpperCase()}_ADDRESS`, socket(name)]),
    );
    const logger = createLogger({ level: 'silent' });
    for (const definition of [policyService, gatewayService] as const) {
      const own = { ...common, ...peers, COGMESH_LISTEN: socket(definition.name) };
      world.#hosted.push(await hostService(definition as typeof gatewayService, { hub, logger, environment: own }));
    }
    world.url = world.#hosted[1]?.running.addresses['http'] ?? '';
    await world.#untilServing();
    return world;
  }

  async token(who: Who, organisation: 'acme' | 'globex' = 'acme'): Promise<string> {
    return mintDevelopmentToken(this.#keysDir, {
      issuerName: organisation,
      sub: who,
      roles: rolesOf[who],
      ttlSeconds: 600,
    });
  }

  /** Sends text as it is, or a value as JSON. */
  async post(who: Who, path: string, body: unknown, headers: Record<string, string> = {}): Promise<Reply> {
    const response = await fetch(`${this.url}/access/v1/${path}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${await this.token(who)}`,
        'content-type': 'application/json',
        ...headers,
      },
      body: typeof body === 'string' || body instanceof Uint8Array ? (body as string) : JSON.stringify(body),
    });
    const { status } = response;
    return { status, headers: response.headers, body: (await response.json()) as Record<string, unknown> };
  }

  async stop(): Promise<void> {
    for (const hosted of this.#hosted.toReversed()) await hosted.stop();
    await rm(this.#dir, { recursive: true, force: true });
  }

  get #keysDir(): string {
    return join(this.#dir, 'keys');
  }

  async #bootstrap(): Promise<void> {
    const folder = join(this.#dir, 'bootstrap', 'policies');
    await mkdir(folder, { recursive: true });
    const allowedRoles = ['member', 'manager', 'auditor', 'enforcement-point'];
    const issuers = [];
    for (const name of ['acme', 'globex']) {
      await addIssuerKey(this.#keysDir, name, { organisation: name });
      const roles = name === 'acme' ? allowedRoles : ['member'];
      issuers.push(await developmentIssuerRecord(this.#keysDir, { issuerName: name, allowedRoles: roles }));
    }
    const write = (file: string, value: unknown) =>
      writeFile(join(this.#dir, 'bootstrap', file), JSON.stringify(value), 'utf8');
    await write('organisations.json', [{ name: 'acme' }, { name: 'globex' }]);
    await write('issuers.json', issuers);
    await write('policies/acme.json', this.#policies);
  }

  /** The gateway listens before it knows whose tokens to accept, and which policies to decide by. */
  async #untilServing(): Promise<void> {
    const headers = { authorization: `Bearer ${await this.token('carol')}` };
    const question = {
      subject: { type: 'user', id: 'carol' },
      action: { name: 'x' },
      resource: { type: 'x', id: 'x' },
    };
    for (const deadline = performance.now() + 10_000; ;) {
      let { status } = await fetch(`${this.url}/v1/whoami`, { headers });
      if (status === 200) ({ status } = await this.post('carol', 'evaluation', question));
      if (status === 200) return;
      if (performance.now() > deadline) throw new Error(`the gateway still answers ${status}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
