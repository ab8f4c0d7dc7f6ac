/**
 * Who calls on the gRPC listener. The public face wants an outside token, through the same admission as REST. The blob
 * service wants a service token and a place in the table of what services may call.
 */
import { gatewayV1 } from '@cogmesh/contracts';
import { requirePeer, serviceMayCall } from '@cogmesh/enforcement';
import { CogmeshError } from '@cogmesh/errors';
import type { ServiceIdentity, VerifiedSubject } from '@cogmesh/identity';
import type { Authenticate, Caller, CallContext, Peer } from '@cogmesh/rpc';
import type { AdmittedRequest, Admission } from '../admission.js';
import { presentedCall, type PublicPlace } from '../http/presented.js';

const publicPrefix = `/${gatewayV1.GatewayService.typeName}/`;

export class GrpcCallers {
  readonly #admission: Admission;
  readonly #identity: Pick<ServiceIdentity, 'verifyServiceToken'>;
  readonly #place: PublicPlace;
  readonly #verified = new WeakMap<Caller, VerifiedSubject>();

  constructor(admission: Admission, identity: Pick<ServiceIdentity, 'verifyServiceToken'>, place: PublicPlace) {
    this.#admission = admission;
    this.#place = place;
    this.#identity = identity;
  }

  readonly authenticate: Authenticate = async (call) => {
    const authorization = call.metadata.get('authorization');
    return call.method.startsWith(publicPrefix)
      ? this.#subject(authorization, presentedCall(call, this.#place))
      : this.#service(call.method, authorization, call.peer);
  };

  /** The subject behind a call that `authenticate` let in. */
  verified({ caller }: CallContext): VerifiedSubject {
    const verified = this.#verified.get(caller);
    if (verified === undefined)
      throw new CogmeshError('unauthenticated', 'this call needs the token of an organisation');
    return verified;
  }

  /** As `Admission.follow`, for a call that `authenticate` let in. */
  follow(call: CallContext, end: (why: unknown) => void): () => void {
    return this.#admission.follow(this.verified(call), end);
  }

  async #subject(authorization: string | undefined, request: AdmittedRequest): Promise<Caller> {
    const verified = await this.#admission.admit(authorization, request);
    // Nothing is allowed yet: each operation asks policy for what it needs.
    const caller: Caller = { kind: 'subject', subject: verified.subject, access: [], permitId: '' };
    this.#verified.set(caller, verified);
    return caller;
  }

  async #service(method: string, authorization: string | undefined, peer: Peer | undefined): Promise<Caller> {
    const token = /^Bearer (\S+)$/i.exec(authorization ?? '')?.[1];
    if (token === undefined) throw new CogmeshError('unauthenticated', 'this call needs a service token');
    const { service } = await this.#identity.verifyServiceToken(token, 'gateway');
    requirePeer(peer, service, Date.now());
    if (serviceMayCall(service, method)) return { kind: 'service', service };
    throw new CogmeshError('permission_denied', `${service} may not call ${method}`);
  }
}
