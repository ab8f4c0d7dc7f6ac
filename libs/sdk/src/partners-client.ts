/** The part of the client that manages issuers and partner grants; `CogmeshClient.partners` is one. */
import { path, type CallScope, type HttpTransport } from './http-transport.js';
import type { GrantTermsDefinition, GrantView, IssuerDefinition, IssuerView } from './partner-views.js';

export class PartnersClient {
  readonly #http: HttpTransport;

  constructor(http: HttpTransport) {
    this.#http = http;
  }

  /** Those of your organisation; everybody's for administrators of the host. */
  async issuers(scope: CallScope = {}): Promise<readonly IssuerView[]> {
    const request = { method: 'GET', path: '/v1/issuers', repeatable: true, ...scope } as const;
    return (await this.#http.json<{ issuers: readonly IssuerView[] }>(request)).issuers;
  }

  /** Registers an issuer, or replaces its record. */
  putIssuer(issuer: IssuerDefinition, scope: CallScope = {}): Promise<IssuerView> {
    return this.#http.json({ ...bodyOf('PUT', '/v1/issuers', issuer), repeatable: true, ...scope });
  }

  /** Its tokens are refused until it is resumed. */
  suspendIssuer(issuer: string, scope: CallScope = {}): Promise<IssuerView> {
    return this.#http.json({ ...bodyOf('POST', '/v1/issuers/suspend', { issuer }), repeatable: true, ...scope });
  }

  resumeIssuer(issuer: string, scope: CallScope = {}): Promise<IssuerView> {
    return this.#http.json({ ...bodyOf('POST', '/v1/issuers/resume', { issuer }), repeatable: true, ...scope });
  }

  async deleteIssuer(issuer: string, scope: CallScope = {}): Promise<void> {
    const request = { ...bodyOf('POST', '/v1/issuers/delete', { issuer }), repeatable: false, ...scope };
    await (await this.#http.send(request)).body?.cancel();
  }

  /** Grants that your organisation gave, holds or passed on, newest first. */
  async grants(scope: CallScope = {}): Promise<readonly GrantView[]> {
    const request = { method: 'GET', path: '/v1/grants', repeatable: true, ...scope } as const;
    return (await this.#http.json<{ grants: readonly GrantView[] }>(request)).grants;
  }

  /** Offers a grant: terms, or a grant that your organisation signed itself. */
  createGrant(grant: GrantTermsDefinition | { readonly jws: string }, scope: CallScope = {}): Promise<GrantView> {
    return this.#http.json({ ...bodyOf('POST', '/v1/grants', grant), repeatable: false, ...scope });
  }

  /** Passes a part of a grant on to a third organisation. */
  delegateGrant(id: string, terms: GrantTermsDefinition, scope: CallScope = {}): Promise<GrantView> {
    return this.#http.json({ ...bodyOf('POST', path`/v1/grants/${id}/delegate`, terms), repeatable: false, ...scope });
  }

  acceptGrant(id: string, scope: CallScope = {}): Promise<GrantView> {
    return this.#http.json({ method: 'POST', path: path`/v1/grants/${id}/accept`, repeatable: false, ...scope });
  }

  /** For good, with all that was passed on from it. */
  revokeGrant(
    id: string,
    { reason = '', ...scope }: CallScope & { readonly reason?: string } = {},
  ): Promise<GrantView> {
    return this.#http.json({
      ...bodyOf('POST', path`/v1/grants/${id}/revoke`, { reason }),
      repeatable: true,
      ...scope,
    });
  }
}

function bodyOf<Method extends 'PUT' | 'POST'>(method: Method, where: string, body: unknown) {
  return { method, path: where, headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
}
