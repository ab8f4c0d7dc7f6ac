/** The part of the client that takes back what was given: tokens, subjects, issuers, grants, keys. `CogmeshClient.revocations` is one. */
import type { CallScope, HttpTransport } from './http-transport.js';

export interface RevokedThing {
  readonly kind: 'token' | 'subject' | 'issuer' | 'grant' | 'key';
  /** Exact `iss`; `org:<organisation>` for the key that signs its grants; absent for a grant. */
  readonly issuer?: string;
  /** `jti`, `sub`, id of the grant or `kid`; absent for an issuer. */
  readonly value?: string;
}

export interface RevocationView extends Required<RevokedThing> {
  readonly reason: string;
  readonly revokedBy: string;
  /** ISO 8601. */
  readonly revokedAt: string;
  readonly until: string | null;
}

export interface RevocationPage {
  readonly revocations: readonly RevocationView[];
  /** Empty on the last page. */
  readonly nextPageToken: string;
}

const headers = { 'content-type': 'application/json' };

export class RevocationsClient {
  readonly #http: HttpTransport;

  constructor(http: HttpTransport) {
    this.#http = http;
  }

  /** Revoking twice is revoking once, so it is repeated when the network fails. */
  revoke(
    thing: RevokedThing,
    { reason, until, ...scope }: CallScope & { readonly reason?: string; readonly until?: Date } = {},
  ): Promise<RevocationView> {
    const body = JSON.stringify({ ...thing, reason, until });
    return this.#http.json({ method: 'POST', path: '/v1/revocations', headers, body, repeatable: true, ...scope });
  }

  /** `not_found` when it is not revoked. */
  async lift(thing: RevokedThing, scope: CallScope = {}): Promise<void> {
    const body = JSON.stringify(thing);
    const request = {
      method: 'POST',
      path: '/v1/revocations/lift',
      headers,
      body,
      repeatable: false,
      ...scope,
    } as const;
    await (await this.#http.send(request)).body?.cancel();
  }

  /** Newest first. */
  list({
    limit,
    pageToken,
    ...scope
  }: CallScope & { readonly limit?: number; readonly pageToken?: string } = {}): Promise<RevocationPage> {
    const query = { limit, pageToken };
    return this.#http.json({ method: 'GET', path: '/v1/revocations', query, repeatable: true, ...scope });
  }
}
