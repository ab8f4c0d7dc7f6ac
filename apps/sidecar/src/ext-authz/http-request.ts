/**
 * The HTTP request that Envoy asks about, read strictly: one target, one method, each said once. Where two parts of the question disagree,
 * or the path has another spelling, the answer is no: what is checked must be what is served.
 */
import type { extAuthzV3 } from '@cogmesh/contracts';
import { canonicalTarget } from '@cogmesh/enforcement';
import { CogmeshError } from '@cogmesh/errors';
import { maxHeaderFields } from '../proxy/limits.js';
import { routeOf, type Route } from './route.js';

type Attributes = extAuthzV3.CheckRequest['attributes'];

export interface CheckedRequest {
  /** Upper case. */
  readonly method: string;
  /** Canonical, without the query. */
  readonly path: string;
  readonly host: string;
  readonly scheme: string;
  /** Lower-case names, every value of each. */
  readonly headers: ReadonlyMap<string, readonly string[]>;
  /** What Envoy's own configuration says of the route. */
  readonly route: Route;
}

/** Throws `permission_denied` for a question without a request, `invalid_argument` for a request that is not said in exactly one way. */
export function readRequest(attributes: Attributes): CheckedRequest {
  const http = attributes?.request?.http;
  if (http === undefined || http.method === '' || http.path === '') {
    throw new CogmeshError(
      'permission_denied',
      'the question names no HTTP request: `attributes.request.http` needs `method` and `path`',
    );
  }
  const headers = headersOf(http);
  refuseDisagreement(headers, ':path', http.path);
  refuseDisagreement(headers, ':method', http.method);
  if (http.host !== '') for (const name of [':authority', 'host']) refuseDisagreement(headers, name, http.host);
  if (http.scheme !== '') refuseDisagreement(headers, ':scheme', http.scheme);
  refuseAmbiguousBody(headers);
  if (!/^[A-Z]{1,20}$/.test(http.method)) throw refused('its method is not a word in capitals');
  const { host, scheme, method } = http;
  const route = routeOf(attributes?.contextExtensions ?? {});
  return { method, path: canonicalTarget(http.path), host, scheme, headers, route };
}

/** The one value of a header; undefined when there is none; `invalid_argument` when there are several. */
export function singleHeader({ headers }: CheckedRequest, name: string): string | undefined {
  const values = headers.get(name) ?? [];
  if (values.length > 1) throw refused(`it has ${values.length} headers "${name}"`);
  return values[0];
}

function headersOf(
  http: NonNullable<NonNullable<NonNullable<Attributes>['request']>['http']>,
): ReadonlyMap<string, readonly string[]> {
  const headers = new Map<string, string[]>();
  const add = (name: string, value: string): void => {
    const key = name.toLowerCase();
    const values = headers.get(key);
    if (values === undefined) headers.set(key, [value]);
    else values.push(value);
  };
  for (const [name, value] of Object.entries(http.headers)) add(name, value);
  for (const { key, value, rawValue } of http.headerMap?.headers ?? [])
    add(key, rawValue.length > 0 ? Buffer.from(rawValue).toString('latin1') : value);
  if (headers.size > maxHeaderFields) throw refused(`it has more than ${maxHeaderFields} headers`);
  return headers;
}

function refuseDisagreement(headers: ReadonlyMap<string, readonly string[]>, name: string, said: string): void {
  for (const value of headers.get(name) ?? []) if (value !== said) throw refused(`its ${name} is told in two ways`);
}

/** Two statements about where the body ends are how one request becomes two. */
function refuseAmbiguousBody(headers: ReadonlyMap<string, readonly string[]>): void {
  const lengths = headers.get('content-length') ?? [];
  const encodings = headers.get('transfer-encoding') ?? [];
  if (lengths.length > 0 && encodings.length > 0) throw refused('it has content-length and transfer-encoding');
  if (lengths.length > 1 || lengths.some((length) => !/^\d{1,18}$/.test(length)))
    throw refused('its content-length is not one number');
  if (encodings.length > 1 || encodings.some((encoding) => encoding.toLowerCase() !== 'chunked'))
    throw refused('its transfer-encoding is not exactly "chunked"');
}

const refused = (why: string): CogmeshError =>
  new CogmeshError('invalid_argument', `the request is refused as ambiguous: ${why}`);
