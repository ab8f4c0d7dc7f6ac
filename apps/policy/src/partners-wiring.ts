/** Issuers and partner grants: what is made for them, and the services they are reached by. */
import { keyFetching, signPartnerGrant, type InsideTokenVerifier } from '@cogmesh/identity';
import type { ServiceBinding } from '@cogmesh/rpc';
import type { ServiceHost } from '@cogmesh/service';
import { SqlGrantStore } from './adapters/sql-grant-store.js';
import { SqlIssuerStore } from './adapters/sql-issuer-store.js';
import { GrantDesk } from './grants/grant-desk.js';
import { IssuerRegistry } from './issuers/issuer-registry.js';
import type { PolicyBook } from './policy-book.js';
import type { PolicyHints } from './policy-hints.js';
import { grantsRpc } from './rpc/grants.rpc.js';
import { issuersRpc } from './rpc/issuers.rpc.js';

export interface PartnersParts {
  readonly book: PolicyBook;
  readonly hints: PolicyHints;
  readonly verifier: Pick<InsideTokenVerifier, 'verifyPartnerGrant'>;
  readonly hostOrganisation: string;
}

export function wirePartners(
  host: ServiceHost,
  { hostOrganisation, verifier, ...parts }: PartnersParts,
): ServiceBinding[] {
  const { allowPrivateKeyUris: allowPrivate = false } = keyFetching(host.environment);
  const issuerStore = new SqlIssuerStore(host.database);
  const issuers = new IssuerRegistry({ ...parts, store: issuerStore, hostOrganisation, allowPrivate });
  const desk = new GrantDesk({
    ...parts,
    verifier,
    store: new SqlGrantStore(host.database),
    sign: (request) => signPartnerGrant(host.keysDir, request),
    now: Date.now,
  });
  return [issuersRpc(issuers), grantsRpc(desk)];
}
