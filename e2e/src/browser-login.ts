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
  const jar = new Map<string, Cookie>();
  let next = start;
  let form: URLSearchParams | undefined;
  for (let hops = 0; hops < redirectsMax; hops += 1) {
    const response = await fetch(next, {
      redirect: 'manual',
      headers: { cookie: cookiesFor(jar, next) },
      ...(form === undefined ? {} : { method: 'POST', body: form }),
    });
    for (const cookie of response.headers.getSetCookie().map(cookieOf))
      jar.set(`${cookie.path} ${cookie.name}`, cookie);
    const location = response.headers.get('location');
    form = location === null ? new URLSearchParams({ login }) : undefined;
    if (location === null && response.status !== 200) throw new Error(`${next.pathname}: ${await response.text()}`);
    next = location === null ? next : new URL(location, next);
    if (next.href.startsWith(redirectUri)) return codeIn(next);
  }
  throw new Error('the login goes in circles');
}

interface Cookie {
  readonly name: string;
  /** Empty when it is taken back. */
  readonly value: string;
  readonly path: string;
}

function cookieOf(header: string): Cookie {
  const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(header) ?? [];
  const [, path = '/'] = /;\s*path=([^;]+)/i.exec(header) ?? [];
  return { name, value, path };
}

const cookiesFor = (jar: ReadonlyMap<string, Cookie>, { pathname }: URL): string =>
  [...jar.values()]
    .filter(({ value, path }) => value !== '' && pathname.startsWith(path))
    .map(({ name, value }) => `${name}=${value}`)
    .join('; ');

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
