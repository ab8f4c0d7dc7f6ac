/**
 * Whether an HTTP request that an Envoy holds may go on, by the same rules as a call through the sidecar itself. A permit or a service token
 * is for a method of the guarded service and is checked by the enforcer; any other token is an outside one, and its subject needs the
 * action of the verb on the path. Never says yes without a decision.
 */
import {
  checkLogged,
  credentialKind,
  isMethodPath,
  type AccessCheck,
  type createSidecarProof,
  type DecisionLog,
} from '@cogmesh/enforcement';
import { CogmeshError } from '@cogmesh/errors';
import type { OutsideTokenVerifier, Presentation } from '@cogmesh/identity';
import type { Authenticate, Caller } from '@cogmesh/rpc';
import { singleHeader, type CheckedRequest } from './http-request.js';
import type { KnownIssuers } from './known-issuers.js';

export interface ExternalCheckOptions {
  /** For methods of the guarded service. */
  readonly authenticate: Authenticate;
  readonly prove: ReturnType<typeof createSidecarProof>;
  readonly access: Pick<AccessCheck, 'check'>;
  readonly log: DecisionLog;
  readonly outside: Pick<OutsideTokenVerifier, 'verifyWithExpiry'>;
  readonly issuers: Pick<KnownIssuers, 'ensureFresh'>;
}

/** Who may go on. */
export interface Admitted {
  readonly caller: Caller;
  /** What was allowed; absent where the method decides. */
  readonly action?: string;
  /** On what; absent where the method decides. */
  readonly resource?: string;
  /** For the service behind, which accepts only calls that were checked. */
  readonly proof?: string;
}

/** What a verb does to a resource. A verb that is not here is refused. */
const actions: Readonly<Record<string, string>> = {
  GET: 'read',
  HEAD: 'read',
  OPTIONS: 'read',
  POST: 'create',
  PUT: 'write',
  PATCH: 'write',
  DELETE: 'delete',
};

export class ExternalCheck {
  readonly #options: ExternalCheckOptions;

  constructor(options: ExternalCheckOptions) {
    this.#options = options;
  }

  /** Throws the refusal. */
  async admit(request: CheckedRequest): Promise<Admitted> {
    const authorization = singleHeader(request, 'authorization');
    const [, scheme = '', token] = /^(Bearer|DPoP) (\S+)$/i.exec(authorization ?? '') ?? [];
    if (authorization === undefined || token === undefined) {
      throw new CogmeshError('unauthenticated', 'the request carries no bearer token');
    }
    if (credentialKind(token) !== undefined) return this.#method(request, authorization);
    return this.#outside(request, token, /^bearer$/i.test(scheme) ? 'Bearer' : 'DPoP');
  }

  async #method(request: CheckedRequest, authorization: string): Promise<Admitted> {
    const { path, method, headers } = request;
    if (method !== 'POST' || !isMethodPath(path))
      throw new CogmeshError('invalid_argument', 'a permit or service token is for POST /package.Service/Method');
    const metadata = new Map(Array.from(headers, ([name, values]) => [name, values[0] ?? '']));
    const caller = await this.#options.authenticate({ method: path, metadata });
    return { caller, proof: this.#options.prove({ method: path, authorization }) };
  }

  async #outside(request: CheckedRequest, token: string, scheme: 'Bearer' | 'DPoP'): Promise<Admitted> {
    const { route, path } = request;
    const action = route.action ?? (Object.hasOwn(actions, request.method) ? actions[request.method] : undefined);
    const resource = route.resource ?? path;
    if (action === undefined)
      throw new CogmeshError('permission_denied', `no policy can allow the method ${request.method}`);
    const { outside, issuers, access, log } = this.#options;
    await issuers.ensureFresh();
    const { subject, expiresAtMs } = await outside.verifyWithExpiry(token, presentationOf(request, scheme));
    await checkLogged({ access, log }, { subject, access: [{ action, resource }], expiresAtMs });
    return { caller: { kind: 'subject', subject, access: [], permitId: '' }, action, resource };
  }
}

function presentationOf(request: CheckedRequest, scheme: 'Bearer' | 'DPoP'): Presentation {
  const proof = singleHeader(request, 'dpop');
  const { method, path, host } = request;
  const url = `${request.scheme === '' ? 'http' : request.scheme}://${host}${path}`;
  return { scheme, method, url, ...(proof === undefined ? {} : { proof }) };
}
