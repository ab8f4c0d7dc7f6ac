/**
 * Envoy's answer: who calls, in headers that replace whatever the request brought under those names, and every other identity header taken
 * away; or the refusal, as the problem document that every face of the mesh gives.
 */
import { envoyCoreV3, type extAuthzV3 } from '@cogmesh/contracts';
import { isIdentityHeader, sidecarProofHeader } from '@cogmesh/enforcement';
import {
  type CogmeshError,
  errorClasses,
  GrpcStatus,
  problemMediaType,
  toCogmeshError,
  toProblem,
} from '@cogmesh/errors';
import { dpopAlgorithms } from '@cogmesh/identity';
import type { ServiceImplementation } from '@cogmesh/rpc';
import type { Admitted } from './check.js';
import type { CheckedRequest } from './http-request.js';

type Answer = Awaited<ReturnType<ServiceImplementation<typeof extAuthzV3.Authorization>['check']>>;

/** The request may go on. */
export function allowed(request: CheckedRequest, admitted: Admitted): Answer {
  const identity = identityOf(admitted);
  const set = new Set(Object.keys(identity));
  const headersToRemove = [...request.headers.keys()].filter(
    (name) => !name.startsWith(':') && isIdentityHeader(name) && !set.has(name),
  );
  return {
    status: { code: GrpcStatus.OK },
    httpResponse: { case: 'okResponse', value: { headers: headersOf(identity), headersToRemove } },
    dynamicMetadata: {
      ...identityOf({ caller: admitted.caller }),
      action: admitted.action ?? '',
      resource: admitted.resource ?? '',
      path: request.path,
    },
  };
}

/**
 * The request ends here. It is a denial even where the fault is ours: after an error, `error_response` or none, an Envoy with
 * `failure_mode_allow` would let the request pass.
 */
export function denied(thrown: unknown): Answer {
  const error = toCogmeshError(thrown);
  const { http } = errorClasses[error.code];
  const retryAfter = error.details['retryAfterSeconds'];
  const headers = {
    'content-type': problemMediaType,
    'cache-control': 'no-store',
    ...(http === 401 ? { 'www-authenticate': challengeOf(error) } : {}),
    ...(http === 503 || http === 429 ? { 'retry-after': String(retryAfter ?? 1) } : {}),
  };
  return {
    status: { code: statusOf(error), message: error.code === 'internal' ? 'internal' : error.message },
    httpResponse: {
      case: 'deniedResponse',
      value: { status: { code: http }, headers: headersOf(headers), body: JSON.stringify(toProblem(error)) },
    },
  };
}

/** RFC 6750 and 9449: no error where no credentials were sent. */
function challengeOf({ code }: CogmeshError): string {
  if (code === 'unauthenticated') return 'Bearer realm="cogmesh"';
  return code === 'invalid_dpop_proof'
    ? `DPoP realm="cogmesh", error="invalid_dpop_proof", algs="${dpopAlgorithms.join(' ')}"`
    : 'Bearer realm="cogmesh", error="invalid_token"';
}

/** Three answers that Envoy's logs tell apart; the HTTP status says the rest. */
function statusOf({ code }: CogmeshError): number {
  const { http } = errorClasses[code];
  if (http === 401) return GrpcStatus.UNAUTHENTICATED;
  return http >= 500 ? GrpcStatus.UNAVAILABLE : GrpcStatus.PERMISSION_DENIED;
}

function identityOf({ caller, proof }: Admitted): Record<string, string> {
  const proven: Record<string, string> = proof === undefined ? {} : { [sidecarProofHeader]: proof };
  if (caller.kind === 'service') return { ...proven, 'x-cogmesh-service': headerValue(caller.service) };
  if (caller.kind === 'anonymous') return proven;
  const { sub, issuer, organisation, roles } = caller.subject;
  return {
    ...proven,
    'x-cogmesh-subject': headerValue(sub),
    'x-cogmesh-issuer': headerValue(issuer),
    'x-cogmesh-organisation': headerValue(organisation),
    'x-cogmesh-roles': roles.map(headerValue).join(','),
  };
}

/** Percent-encodes what could end a header or a list in it; a subject is whatever its issuer says. */
function headerValue(text: string): string {
  return Array.from(Buffer.from(text), (byte) =>
    byte > 0x20 && byte < 0x7f && byte !== 0x25 && byte !== 0x2c
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
  ).join('');
}

/** Each replaces every header of its name. Older Envoys read `append`, newer ones `append_action`. */
function headersOf(headers: Record<string, string>) {
  return Object.entries(headers).map(([key, value]) => ({
    header: { key, value },
    append: false,
    appendAction: envoyCoreV3.HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
    keepEmptyValue: true,
  }));
}
