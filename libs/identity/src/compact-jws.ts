/**
 * Looks into a compact JWS before any signature is checked: only to choose the key set and to refuse what no verifier should
 * see (oversize, malformed, repeated keys, `crit`, unencoded payload). Nothing read here is trusted.
 */
import { CogmeshError, type ErrorCode } from '@cogmesh/errors';
import { parseStrictJson } from './strict-json.js';

export interface PeekedToken {
  readonly header: Readonly<Record<string, unknown>>;
  readonly payload: Readonly<Record<string, unknown>>;
}

export interface PeekRules {
  readonly noun: string;
  readonly maxChars: number;
  readonly code: ErrorCode;
}

/** No header of ours or of a sane issuer is longer. */
const headerMaxChars = 2_048;

const compactForm = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;

/** Header and payload of the token, unverified. Throws `rules.code` with a sentence. */
export function peekToken(token: string, rules: PeekRules): PeekedToken {
  if (token.length > rules.maxChars) {
    throw new CogmeshError(
      rules.code,
      `the ${rules.noun} has ${token.length} characters; at most ${rules.maxChars} are accepted`,
      {
        limitChars: rules.maxChars,
      },
    );
  }
  const [header = '', payload = '', signature = ''] = token.split('.');
  if (!compactForm.test(token) || ![header, payload, signature].every(isCanonical)) {
    throw new CogmeshError(rules.code, `the ${rules.noun} is not a signed compact JWS (three base64url parts)`);
  }
  const peeked = { header: parsePart(header, rules), payload: parsePart(payload, rules) };
  if ('crit' in peeked.header || 'b64' in peeked.header) {
    throw new CogmeshError(rules.code, `the ${rules.noun} uses JWS extensions (crit), which are not accepted`);
  }
  return peeked;
}

const lettersByLength = [/$/, /(?!)/, /[AQgw]$/, /[AEIMQUYcgkosw048]$/] as const;

/** One spelling of the same bytes (RFC 4648, section 3.5): the bits of the last letter that encode nothing are zero. */
const isCanonical = (part: string): boolean => lettersByLength[part.length % 4]?.test(part.slice(-1)) === true;

function parsePart(part: string, rules: PeekRules): Record<string, unknown> {
  let value: unknown;
  try {
    // A mark of the byte order is no JSON (RFC 8259, section 8.1), and not every reader skips it.
    const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    value = parseStrictJson(decoder.decode(Buffer.from(part, 'base64url')));
  } catch (error) {
    const why = error instanceof Error ? error.message : 'unreadable';
    throw new CogmeshError(
      rules.code,
      `the ${rules.noun} is not well-formed JSON inside: ${why}`,
      {},
      { cause: error },
    );
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new CogmeshError(rules.code, `the ${rules.noun} does not hold a JSON object`);
  }
  return value as Record<string, unknown>;
}

/** The unverified `typ` of a token, to choose how to verify it; undefined when there is none to read. */
export function typeOfToken(token: string): string | undefined {
  const [header = ''] = token.split('.', 1);
  if (header.length > headerMaxChars) return undefined;
  try {
    const { typ } = JSON.parse(Buffer.from(header, 'base64url').toString()) as { typ?: unknown };
    return typeof typ === 'string' ? typ : undefined;
  } catch {
    return undefined;
  }
}

/** What a verified token is called: its `jti`, and the `kid` of the key that signed it; empty where it names none. Verifies nothing. */
export function namesOfToken(token: string): { readonly id: string; readonly keyId: string } {
  const [header = '', payload = ''] = token.split('.', 2);
  const { kid } = parsedPart(header);
  const { jti } = parsedPart(payload);
  return { id: typeof jti === 'string' ? jti : '', keyId: typeof kid === 'string' ? kid : '' };
}

const parsedPart = (part: string): Readonly<Record<string, unknown>> =>
  JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>;
