import type { FastifyRequest } from 'fastify';
import type { Authenticate } from '@cogmesh/rpc';
import type { AdmittedRequest } from '../admission.js';

/** Where callers reach this API. */
export interface PublicPlace {
  /** Scheme and host; empty where it is reached by a loopback name alone. */
  readonly publicUrl: string;
  /** Something in front ends TLS. */
  readonly tlsTerminated: boolean;
  readonly tlsCert: string;
}

const loopback = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i;

/** The same of a gRPC call: a proof names POST and the URL of the method, `https://mesh.example/cogmesh.gateway.v1.GatewayService/GetRun`. */
export function presentedCall(call: Parameters<Authenticate>[0], place: PublicPlace): AdmittedRequest {
  const { method, metadata, authority = '' } = call;
  const proof = metadata.get('dpop');
  const origin = originOf(authority, place);
  return {
    method: 'POST',
    url: origin === '' ? '' : `${origin}${method}`,
    ...(proof === undefined ? {} : { proof }),
  };
}

/** The request as a DPoP proof has to name it. A host that only the request names could be where a proof was stolen. */
export function presented(request: FastifyRequest, place: PublicPlace): AdmittedRequest {
  const { dpop, host = '' } = request.headers;
  const origin = originOf(host, place);
  return {
    method: request.method,
    url: origin === '' ? '' : `${origin}${request.url}`,
    ...(typeof dpop === 'string' ? { proof: dpop } : {}),
  };
}

function originOf(host: string, place: PublicPlace): string {
  const scheme = place.tlsTerminated || place.tlsCert !== '' ? 'https' : 'http';
  const own = loopback.test(host) ? `${scheme}://${host}` : '';
  return (place.publicUrl || own).replace(/\/+$/, '');
}
