/**
 * Revoking from outside the mesh's own doors, by permits that the test mints with the gateway's key, so that a revocation is possible
 * whichever door is cut off or whoever is revoked; and what two doors, the gateway and a sidecar, say to one caller now.
 */
import { revocationV1, schedulerV1 } from '@cogmesh/contracts';
import { loadServiceIdentity, type ServiceIdentity } from '@cogmesh/identity';
import type { Cluster } from '@cogmesh/mesh';
import { type Channel, type Client, createClient, openChannel, type OutsideSubject } from '@cogmesh/rpc';
import { CogmeshError, type RevokedThing } from '@cogmesh/sdk';
import type { Organisation, World } from './world.js';

const kinds = {
  token: revocationV1.RevocationKind.TOKEN,
  subject: revocationV1.RevocationKind.SUBJECT,
  issuer: revocationV1.RevocationKind.ISSUER,
  grant: revocationV1.RevocationKind.GRANT,
  key: revocationV1.RevocationKind.KEY,
} as const;

const LIST_RUNS = `/${schedulerV1.SchedulerService.typeName}/ListRuns`;
const REVOCATIONS = `/${revocationV1.RevocationService.typeName}`;

/** One caller, as a token names it. */
export interface Victim {
  readonly organisation: Organisation;
  readonly token: string;
  readonly subject: OutsideSubject;
}

/** What a door answered: `accepted`, or the code of the refusal. */
export type Said = string;

export class Revoker {
  readonly #gateway: ServiceIdentity;
  readonly #channels: Channel[] = [];
  readonly #policy: Client<typeof revocationV1.RevocationService>;
  readonly #scheduler: Client<typeof schedulerV1.SchedulerService>;
  readonly #world: World;
  readonly #url: string;

  private constructor(gateway: ServiceIdentity, world: World, cluster: Cluster) {
    this.#gateway = gateway;
    this.#world = world;
    this.#url = cluster.url;
    this.#policy = createClient(revocationV1.RevocationService, this.#open(cluster.addressOf('policy-sidecar')));
    this.#scheduler = createClient(schedulerV1.SchedulerService, this.#open(cluster.addressOf('scheduler-sidecar')));
  }

  static async open(world: World, cluster: Cluster): Promise<Revoker> {
    return new Revoker(await loadServiceIdentity(world.directory.keysDir, 'gateway'), world, cluster);
  }

  close(): void {
    for (const channel of this.#channels) channel.close();
  }

  /** Resolves when it is stored. */
  async revoke(organisation: Organisation, thing: RevokedThing): Promise<void> {
    await this.#policy.revoke(requestOf(organisation, thing), await this.#asAdministrator(organisation, 'Revoke'));
  }

  async lift(organisation: Organisation, thing: RevokedThing): Promise<void> {
    await this.#policy.lift(requestOf(organisation, thing), await this.#asAdministrator(organisation, 'Lift'));
  }

  async victim(organisation: Organisation, sub: string): Promise<Victim> {
    const token = await this.#world.token(organisation, 'reader', { sub });
    const { iss, jti } = partOf<{ iss: string; jti: string }>(token, 1);
    const { kid = '' } = partOf<{ kid?: string }>(token, 0);
    const who = { issuer: iss, sub, organisation, roles: ['reader'], tokenId: jti, keyId: kid, attributes: {} };
    return { organisation, token, subject: who };
  }

  /** Asks the gateway as the victim. With a resource: whether it may infer on it. */
  async askGateway({ token, subject }: Victim, resource?: string): Promise<Said> {
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    if (resource === undefined) return saidBy(await fetch(`${this.#url}/v1/whoami`, { headers }));
    const [, type = '', ...id] = resource.split('/');
    const body = JSON.stringify({
      subject: { type: 'user', id: subject.sub },
      action: { name: 'infer' },
      resource: { type: type.replace(/s$/, ''), id: id.join('/') },
    });
    const response = await fetch(`${this.#url}/access/v1/evaluation`, { method: 'POST', headers, body });
    if (!response.ok) return saidBy(response);
    return ((await response.json()) as { decision: boolean }).decision ? 'accepted' : 'permission_denied';
  }

  /** Asks the sidecar of the scheduler, with a permit such as the gateway would have given the victim before. */
  async askSidecar({ subject }: Victim, resource?: string): Promise<Said> {
    const access = resource === undefined ? { action: 'list', resource: '/runs' } : { action: 'infer', resource };
    const request = { audience: 'scheduler', method: LIST_RUNS, access: [access], subject };
    const metadata = { authorization: `Bearer ${await this.#gateway.mintPermit(request)}` };
    try {
      await this.#scheduler.listRuns({}, { metadata });
      return 'accepted';
    } catch (thrown) {
      if (thrown instanceof CogmeshError) return thrown.code;
      throw thrown;
    }
  }

  #open(target: string): Channel {
    const channel = openChannel({ target });
    this.#channels.push(channel);
    return channel;
  }

  async #asAdministrator(organisation: Organisation, method: 'Revoke' | 'Lift') {
    const subject = { issuer: 'https://operations.example', sub: 'operations', organisation, roles: ['admin'] };
    const permit = await this.#gateway.mintPermit({
      audience: 'policy',
      method: `${REVOCATIONS}/${method}`,
      access: [{ action: 'write', resource: '/revocations' }],
      subject: { ...subject, tokenId: '', attributes: {} },
    });
    return { metadata: { authorization: `Bearer ${permit}` } };
  }
}

function requestOf(organisation: Organisation, { kind, issuer = '', value = '' }: RevokedThing) {
  return { organisation, thing: { kind: kinds[kind], issuer, value } };
}

async function saidBy(response: Response): Promise<Said> {
  if (response.ok) {
    await response.body?.cancel();
    return 'accepted';
  }
  const { code } = (await response.json()) as { code: string };
  if (code === 'stale_policy' && response.headers.get('retry-after') === null)
    throw new Error('503 stale_policy without Retry-After');
  return response.status === 401 || response.status === 503 ? code : `${response.status} ${code}`;
}

const partOf = <T>(token: string, at: number): T =>
  JSON.parse(Buffer.from(token.split('.')[at] ?? '', 'base64url').toString()) as T;
