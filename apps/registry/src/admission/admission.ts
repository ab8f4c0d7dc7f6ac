/**
 * Who an agent is and whether it may serve what it announces. Two kinds of token: a service token of the platform's workers,
 * and an outside token, for which policy is asked per tool (`serve`). The organisation is the token's, never the message's.
 */
import type { policyV1 } from '@cogmesh/contracts';
import { registryV1 } from '@cogmesh/contracts';
import { CogmeshError, type Issue } from '@cogmesh/errors';
import type { InsideTokenVerifier } from '@cogmesh/identity';
import { checkAnnouncement, toolOf, type Introduction } from '@cogmesh/registry-core';
import { revokedError, type PolicySource } from '@cogmesh/enforcement';
import type { Client, OutsideSubject } from '@cogmesh/rpc';
import { toCapability } from '../rpc/agent-messages.js';
import type { SchemaShelf } from '../schemas/schema-shelf.js';
import type { IssuerDirectory } from './issuer-directory.js';

/** An agent that was admitted; its id is chosen afterwards. */
export interface Admitted extends Omit<Introduction, 'id'> {
  /** The id it asks for; empty for a new one. */
  readonly wantedId: string;
  /** Only for SDK agents. */
  readonly outside?: OutsideIdentity;
}

/** Who an SDK agent is, as its newest token says. */
export interface OutsideIdentity {
  readonly token: string;
  readonly subject: OutsideSubject;
  /** When the token ends, milliseconds since 1970. */
  readonly expiresAtMs: number;
}

export interface AdmissionOptions {
  readonly verifier: Pick<InsideTokenVerifier, 'verifyServiceToken'>;
  readonly issuers: IssuerDirectory;
  readonly policy: Pick<Client<typeof policyV1.PolicyService>, 'decideMany'>;
  readonly schemas: Pick<SchemaShelf, 'accept' | 'acceptLater'>;
  /** The registry's own copy of policies and revocations. */
  readonly source: Pick<PolicySource, 'assertFresh' | 'revocations' | 'engine'>;
  readonly hostOrganisation: string;
}

export class Admission {
  readonly #options: AdmissionOptions;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** Throws with the reason: token errors, `invalid_argument`, `permission_denied`, or `unavailable` while nobody can say. */
  async admit(hello: registryV1.Hello): Promise<Admitted> {
    if (hello.token === '') throw new CogmeshError('unauthenticated', 'Hello carries no token');
    switch (hello.kind) {
      case registryV1.AgentKind.WORKER:
        return this.#admitWorker(hello);
      case registryV1.AgentKind.SDK:
        return this.#admitSdk(hello);
      default:
        throw new CogmeshError('invalid_argument', 'Hello names no kind of agent');
    }
  }

  async #admitWorker(hello: registryV1.Hello): Promise<Admitted> {
    const { service } = await this.#options.verifier.verifyServiceToken(hello.token, 'registry');
    if (service !== 'worker') {
      throw new CogmeshError('permission_denied', `the service "${service}" is no worker and serves nothing`);
    }
    const identity = `service:${service}`;
    const admitted = {
      ...announced(hello),
      kind: 'worker',
      identity,
      organisation: this.#options.hostOrganisation,
    } as const;
    checkAnnouncement(admitted);
    const { schemas } = this.#options;
    return { ...admitted, capabilities: schemas.acceptLater(admitted.capabilities, hello.capabilities) };
  }

  async #admitSdk(hello: registryV1.Hello): Promise<Admitted> {
    const outside = await this.#identify(hello.token);
    const { issuer, sub, organisation } = outside.subject;
    const identity = JSON.stringify([issuer, sub]);
    const admitted = { ...announced(hello), kind: 'sdk', identity, organisation, address: '', outside } as const;
    checkAnnouncement(admitted);
    await this.#requireServe(
      outside.subject,
      admitted.capabilities.map(({ name }) => name),
    );
    const { schemas } = this.#options;
    return { ...admitted, capabilities: await schemas.accept(admitted.capabilities, hello.capabilities) };
  }

  /**
   * Whether the agent may go on serving these tools: its token is still one of a registered issuer, and policy lets it. Rejects as `admit`.
   * That nothing of it is revoked is `assertNotRevoked`, which waits for nobody.
   */
  async recheck({ token, subject }: OutsideIdentity, capabilities: readonly string[]): Promise<void> {
    await this.#options.issuers.verify(token);
    await this.#requireServe(subject, capabilities);
  }

  /** Another token of the same subject, with which it may serve the same. Rejects as `admit`. */
  async renew(token: string, before: OutsideSubject, capabilities: readonly string[]): Promise<OutsideIdentity> {
    const fresh = await this.#identify(token);
    const { issuer, sub, organisation } = fresh.subject;
    if (issuer !== before.issuer || sub !== before.sub || organisation !== before.organisation)
      throw new CogmeshError('permission_denied', 'the fresh token is of another subject; open another stream with it');
    await this.#requireServe(fresh.subject, capabilities);
    return fresh;
  }

  /** By the registry's own copy of the policies, which may be a moment behind: after a no, policy itself has to be asked. */
  seemsAllowed(subject: OutsideSubject, capabilities: readonly string[]): boolean {
    const { engine } = this.#options.source;
    const nowMs = Date.now();
    return capabilities.every((capability) => {
      const resource = { type: 'tool', id: toolOf(capability) ?? '' };
      return engine.decide({ subject, action: 'serve', resource, nowMs }).allowed;
    });
  }

  /** Throws `revoked` when the token, the subject, the issuer or the key is, of the subject or of whoever acts for it. */
  assertNotRevoked(subject: OutsideSubject): void {
    for (const one of [subject, ...(subject.actors ?? [])]) {
      const revocation = this.#options.source.revocations.find(one, Date.now());
      if (revocation !== undefined) throw revokedError(revocation);
    }
  }

  /** `stale_policy` while nobody can say what is revoked. */
  async #identify(token: string): Promise<OutsideIdentity> {
    const { subject: named, expiresAtMs, keyId = '' } = await this.#options.issuers.verify(token);
    const subject = { ...named, keyId };
    this.#options.source.assertFresh();
    this.assertNotRevoked(subject);
    return { token, subject, expiresAtMs };
  }

  async #requireServe(
    { attributes, actors: _actors, keyId: _keyId, ...subject }: OutsideSubject,
    capabilities: readonly string[],
  ): Promise<void> {
    const requests = capabilities.map((capability) => ({
      subject: { ...subject, roles: [...subject.roles], attributesJson: JSON.stringify(attributes) },
      action: 'serve',
      resource: { type: 'tool', id: toolOf(capability) ?? '' },
    }));
    const { responses } = await this.#options.policy.decideMany({ requests });
    const issues = capabilities.flatMap((capability, index): Issue[] => {
      const decision = responses[index];
      if (decision?.allowed === true) return [];
      const message = `may not serve ${capability}: ${decision?.reason ?? 'policy gave no answer'}`;
      return [{ path: `capabilities[${index}]`, code: decision?.code ?? 'permission_denied', message }];
    });
    const [first] = issues;
    if (first !== undefined) throw new CogmeshError('permission_denied', `${subject.sub} ${first.message}`, { issues });
  }
}

function announced({ name, capabilities, labels, address, agentId }: registryV1.Hello) {
  return { name, capabilities: capabilities.map(toCapability), labels, address, wantedId: agentId };
}
