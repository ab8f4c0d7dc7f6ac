/** A user with a browser, as far as a login needs one: cookies, redirects, a form. Authorization code with PKCE. */
import { createHash, randomBytes } from 'node:crypto';
import { clientId, redirectUri, resource, type OpenIdProvider } from './openid-provider.js';

export interface Tokens {
  readonly access_token: string;
  readonly refresh_token: string;
  readonly id_token: string;
  readonly token_type: string;
}

const redirectsMax = 12;

/** Logs in by name. With a proof, the tokens are bound to its key. */
export async function logIn(provider: OpenIdProvider, login: string, proof?: () => Promise<string>): Promise<Tokens> {
  const verifier = randomBytes(32).toString('base64url');
  const start = new URL(`${provider.issuer}/auth`);
  start.search = new URLSearchParams({
    client_id: clientId,
    response_type: 'code',
    redirect_uri: redirectUri,
    scope: 'openid offline_access runs',
    prompt: 'consent',
    resource,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  }).toString();
  const code = await codeOf(start, login);
  const form = { grant_type: 'authorization_code', code, redirect_uri: redirectUri, code_verifier: verifier, resource };
  return tokensOf(provider, form, proof);
}

export function refresh(provider: OpenIdProvider, { refresh_token }: Tokens): Promise<Tokens> {
  return tokensOf(provider, { grant_type: 'refresh_token', refresh_token, resource });
}

async function codeOf(start: URL, login: string): Promise<string> {
  const cookies = new Map<string, string>();
  let next = start;
  let form: URLSearchParams | undefined;
  for (let hops = 0; hops < redirectsMax; hops += 1) {
    const response = await fetch(next, {
      redirect: 'manual',
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
      ...(form === undefined ? {} : { method: 'POST', body: form }),
    });
    for (const cookie of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
      cookies.set(name, value);
    }
    const location = response.headers.get('location');
    form = location === null ? new URLSearchParams({ login }) : undefined;
    if (location === null && response.status !== 200) throw new Error(`${next.pathname}: ${await response.text()}`);
    next = location === null ? next : new URL(location, next);
    if (next.href.startsWith(redirectUri)) return codeIn(next);
  }
  throw new Error('the login goes in circles');
}

function codeIn(url: URL): string {
  const code = url.searchParams.get('code');
  if (code !== null) return code;
  throw new Error(`no code came back: ${url.search}`);
}

async function tokensOf(
  provider: OpenIdProvider,
  form: Readonly<Record<string, string>>,
  proof?: () => Promise<string>,
): Promise<Tokens> {
  const response = await fetch(`${provider.issuer}/token`, {
    method: 'POST',
    body: new URLSearchParams({ client_id: clientId, ...form }),
    headers: proof === undefined ? {} : { dpop: await proof() },
  });
  if (!response.ok) throw new Error(`no token: ${await response.text()}`);
  return (await response.json()) as Tokens;
}
