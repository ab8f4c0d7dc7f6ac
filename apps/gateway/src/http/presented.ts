import type { FastifyRequest } from 'fastify';
import type { AdmittedRequest } from '../admission.js';

/** Where callers reach this API. */
export interface PublicPlace {
  /** Scheme and host; empty for what the request says. */
  readonly publicUrl: string;
  /** Something in front ends TLS. */
  readonly tlsTerminated: boolean;
  readonly tlsCert: string;
}

/** The request as a DPoP proof has to name it. */
export function presented(request: FastifyRequest, place: PublicPlace): AdmittedRequest {
  const { dpop } = request.headers;
  const scheme = place.tlsTerminated || place.tlsCert !== '' ? 'https' : 'http';
  const origin = place.publicUrl === '' ? `${scheme}://${request.headers.host ?? ''}` : place.publicUrl;
  return {
    method: request.method,
    url: `${origin.replace(/\/+$/, '')}${request.url}`,
    ...(typeof dpop === 'string' ? { proof: dpop } : {}),
  };
}
