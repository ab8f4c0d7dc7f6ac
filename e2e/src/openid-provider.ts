/**
 * A real OpenID provider (oidc-provider) on loopback, with one public client, users who log in by name, and keys that can be
 * rotated while it runs. What it knows of sessions and refresh tokens outlives a rotation, as with any provider.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type JWK } from 'jose';
import Provider, { type Configuration } from 'oidc-provider';
import { openIdStore } from './openid-store.js';

export const clientId = 'portal';
export const redirectUri = 'http://127.0.0.1:9/callback';
/** What tokens are asked for; their audience is the mesh's. */
export const resource = 'https://mesh.example';

export interface OpenIdProvider {
  readonly issuer: string;
  readonly jwksUri: string;
  /** A new key signs; with `keep`, those before stay published. */
  rotate(options?: { readonly keep?: boolean }): Promise<void>;
  /** Key sets that were read. */
  readonly keySetReads: () => number;
  stop(): Promise<void>;
}

export async function startOpenIdProvider(): Promise<OpenIdProvider> {
  let keys: JWK[] = [await newKey('key-1')];
  const adapter = openIdStore();
  let provider: Provider;
  let reads = 0;
  let made = 1;
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/jwks')) reads += 1;
    if (request.url?.startsWith('/interaction/')) void interact(provider, request, response);
    else void provider.callback()(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const start = () => {
    provider = new Provider(issuer, { ...configurationOf(keys), adapter });
  };
  start();
  return {
    issuer,
    jwksUri: `${issuer}/jwks`,
    keySetReads: () => reads,
    rotate: async ({ keep = false } = {}) => {
      made += 1;
      keys = [await newKey(`key-${made}`), ...(keep ? keys : [])];
      start();
    },
    stop: () => new Promise((resolve) => server.close(() => resolve()).closeAllConnections()),
  };
}

async function newKey(kid: string): Promise<JWK> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  return { ...(await exportJWK(privateKey)), kid, alg: 'ES256', use: 'sig' };
}

function configurationOf(keys: readonly JWK[]): Configuration {
  return {
    jwks: { keys: [...keys] as never },
    cookies: { keys: ['a secret of this test alone'] },
    clients: [
      {
        client_id: clientId,
        token_endpoint_auth_method: 'none',
        application_type: 'native',
        redirect_uris: [redirectUri],
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        id_token_signed_response_alg: 'ES256',
      },
    ],
    scopes: ['openid', 'offline_access'],
    findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    extraTokenClaims: () => ({ realm: { groups: ['Mesh Readers', 'Mesh Admins'] }, department: 'payables' }),
    issueRefreshToken: () => true,
    rotateRefreshToken: true,
    interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
    features: {
      devInteractions: { enabled: false },
      dPoP: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => resource,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          scope: 'runs',
          audience: 'cogmesh',
          accessTokenFormat: 'jwt',
          accessTokenTTL: 300,
          jwt: { sign: { alg: 'ES256' } },
        }),
      },
    },
  };
}

/** The page on which a user says who they are, and what the client may have. */
async function interact(provider: Provider, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { prompt, params, session } = await provider.interactionDetails(request, response);
  if (request.method !== 'POST') {
    response.writeHead(200, { 'content-type': 'text/html' }).end(`<form method="post">${prompt.name}</form>`);
    return;
  }
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  const accountId = new URLSearchParams(Buffer.concat(chunks).toString()).get('login') ?? '';
  if (prompt.name === 'login') {
    await provider.interactionFinished(request, response, { login: { accountId } });
    return;
  }
  const grant = new provider.Grant({
    accountId: session?.accountId ?? accountId,
    clientId: String(params['client_id']),
  });
  grant.addOIDCScope('openid offline_access');
  grant.addResourceScope(resource, 'runs');
  const consent = { grantId: await grant.save() };
  await provider.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true });
}
