/**
 * What a request must look like before anything reads it: one meaning, whichever server reads it. A request that another one in front may
 * have understood differently is refused, never repaired. Headers with which a caller could pretend to have been identified by somebody
 * in front are taken away, and so are those that Connection lists.
 */
import type { IncomingMessage } from 'node:http';
import { isIdentityHeader } from '@cogmesh/enforcement';
import { CogmeshError } from '@cogmesh/errors';
import { consistencyHeader } from './caller.js';

/** Header fields of one request. */
const maxHeaderFields = 128;

/** Said once or not at all. */
const single: ReadonlySet<string> = new Set([
  'host',
  'authorization',
  'dpop',
  'content-length',
  'content-type',
  'content-encoding',
  'transfer-encoding',
  'expect',
]);

/** Taking one of these away would change what the request is. */
const essential: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'content-type',
  'content-encoding',
  'transfer-encoding',
  'authorization',
  'dpop',
]);

/** Where a body ends, in a spelling (`Content_Length`) that some servers take for the real one. */
const looksLikeFraming = /^(?:content|transfer)[^a-z0-9]*(?:length|encoding)$/;

/** RFC 9112, section 3.2: a name, an IPv4 or bracketed IPv6 address, and perhaps a port. */
const hostForm = /^(?:[A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+\])(?::\d{0,5})?$/;

/** Below it, one parameter is a name with slashes of its own: `/v1/limits/capability/model:acme%2Focr`. */
const slashedNames = '/v1/limits/';

/** Takes identity and hop-by-hop headers away. Throws `invalid_argument` for a request that can be read in two ways. */
export function applyEdgeRules(request: IncomingMessage): void {
  refuseAmbiguousTarget(request.url ?? '');
  refuseAmbiguousFields(request);
  for (const name of listedIn(request.headers.connection)) {
    if (essential.has(name)) throw refused(`Connection lists "${name}"`);
    if (name !== 'close' && name !== 'keep-alive' && name !== 'upgrade') delete request.headers[name];
  }
  for (const name of Object.keys(request.headers))
    // The one name of ours that a client is given to send back; it says when, never who.
    if (name !== consistencyHeader && isIdentityHeader(name)) delete request.headers[name];
}

function refuseAmbiguousFields({ rawHeaders, headers, httpVersion }: IncomingMessage): void {
  if (httpVersion !== '1.1' && httpVersion !== '1.0') throw refused(`it is of HTTP/${httpVersion}`);
  refuseAmbiguousHost(headers.host, httpVersion);
  if (rawHeaders.length / 2 > maxHeaderFields) throw refused(`it has more than ${maxHeaderFields} header fields`);
  const seen = new Set<string>();
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] ?? '').toLowerCase();
    if (single.has(name) && seen.has(name)) throw refused(`it has more than one "${name}"`);
    if (!single.has(name) && looksLikeFraming.test(name)) throw refused(`it has a "${name}"`);
    seen.add(name);
  }
  const encoding = headers['transfer-encoding'];
  if (encoding !== undefined && httpVersion === '1.0') throw refused('it is of HTTP/1.0 and has a transfer-encoding');
  refuseAmbiguousEnd(headers['content-length'], encoding);
  refuseEncodedContent(headers['content-encoding']);
}

function refuseAmbiguousHost(host: string | undefined, httpVersion: string): void {
  if (host === undefined && httpVersion === '1.0') return;
  if (host === undefined) throw refused('it names no host');
  if (!hostForm.test(host) || host.includes(',')) throw refused('its host is none');
}

/** Nothing here is decoded, so what was compressed would be read as it is; somebody in front may have read what is inside. */
function refuseEncodedContent(encoding: string | undefined): void {
  if (encoding === undefined || encoding.toLowerCase() === 'identity') return;
  throw new CogmeshError('unsupported_media_type', 'content-encoding: send the body as it is');
}

function refuseAmbiguousEnd(length: string | undefined, encoding: string | undefined): void {
  if (length !== undefined && encoding !== undefined) throw refused('it has content-length and transfer-encoding');
  if (length !== undefined && !/^\d{1,16}$/.test(length)) throw refused('its content-length is not one number');
  if (encoding !== undefined && encoding.toLowerCase() !== 'chunked')
    throw refused('its transfer-encoding is not exactly "chunked"');
}

/**
 * The path in its one spelling: origin form, no empty or dot segment, no trailing slash, and escaped only what must be, in capitals.
 * A query says nothing about where a request goes.
 */
function refuseAmbiguousTarget(target: string): void {
  const end = target.indexOf('?');
  const path = end === -1 ? target : target.slice(0, end);
  if (!path.startsWith('/')) throw refused('its target is not a path');
  if (/[^\x21-\x7e]|[\\#;]/.test(target.slice(0, path.length)) || target.includes('#'))
    throw refused('its path has a character that does not belong there');
  for (const [escape] of path.matchAll(/%.{0,2}/g)) {
    if (mustBeEscaped(escape) || (escape === '%2F' && path.startsWith(slashedNames))) continue;
    throw refused(`its path has "${escape}"`);
  }
  if (path !== '/' && path.split(/\/|%2F/).some((segment, at) => at > 0 && /^\.{0,2}$/.test(segment)))
    throw refused('its path has an empty or dot segment, or a slash at its end');
}

/** Letters, digits, `-._~` have one spelling without escape; `/ \ % ; ? #` and control characters have none that is safe. */
function mustBeEscaped(escape: string): boolean {
  if (!/^%[0-9A-F]{2}$/.test(escape)) return false;
  const code = Number.parseInt(escape.slice(1), 16);
  return code >= 0x20 && code !== 0x7f && !/[A-Za-z0-9\-._~/\\%;?#]/.test(String.fromCharCode(code));
}

function listedIn(connection: string | undefined): string[] {
  return (connection ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '');
}

const refused = (why: string): CogmeshError =>
  new CogmeshError('invalid_argument', `the request could be understood in more than one way: ${why}`);
