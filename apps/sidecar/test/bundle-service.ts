import { policyV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { messageOfIssuer, type IssuerRecord, type ServiceIdentity } from '@cogmesh/identity';
import { implement, type ServiceBinding } from '@cogmesh/rpc';

/** The part of the policy service that a replica needs, as its contract says: one organisation, acme, whose analysts may run things. */
export class BundleService {
  epoch = 1;
  policies: unknown = {
    policies: [
      {
        id: 'analysts',
        policy: "role == 'analyst'",
        permissions: ['create', 'read', 'infer'],
        resources: ['/runs', '/runs/*', '/models/acme/**'],
      },
    ],
  };
  issuers: IssuerRecord[] = [];
  answers = true;
  readonly #signer: ServiceIdentity;

  constructor(signer: ServiceIdentity) {
    this.#signer = signer;
  }

  binding(): ServiceBinding {
    const notHere = () => Promise.reject(new CogmeshError('unimplemented', 'only bundles are served here'));
    return implement(policyV1.PolicyService, {
      decide: notHere,
      decideMany: notHere,
      explain: notHere,
      getIssuers: () =>
        this.answers
          ? Promise.resolve({ issuers: this.issuers.map(messageOfIssuer) })
          : Promise.reject(new CogmeshError('unavailable', 'down for the test')),
      putPolicies: notHere,
      getPolicies: notHere,
      getBundle: async ({ nonce, knownEpochs }) => {
        if (!this.answers) throw new CogmeshError('unavailable', 'down for the test');
        const known = Number(knownEpochs['acme'] ?? 0n) >= this.epoch;
        const bundle = { organisation: 'acme', epoch: this.epoch, policies: this.policies };
        return {
          bundlesJws: known ? [] : [await this.#signer.signBundle(bundle)],
          heartbeatJws: await this.#signer.signHeartbeat({ nonce, epochs: { acme: this.epoch } }),
        };
      },
    });
  }
}
