/** Whether a call may pass, and to which of the two places: the service behind the sidecar, or the sidecar's own check of task grants. */
import { CogmeshError } from '@cogmesh/errors';
import { policyV1 } from '@cogmesh/contracts';
import { requirePeer, type createSidecarProof } from '@cogmesh/enforcement';
import type { InsideTokenVerifier } from '@cogmesh/identity';
import type { Authenticate, FollowCall } from '@cogmesh/rpc';
import type { Call } from './call.js';
import type { Upstream } from './upstream.js';

export interface Route {
  readonly upstream: Upstream;
  /** Makes the proof that the far side asks for. */
  readonly prove: ReturnType<typeof createSidecarProof>;
  /** Follows the right of the call that was just let in. */
  readonly follow?: FollowCall;
}

export interface RouterOptions {
  readonly service: string;
  readonly verifier: Pick<InsideTokenVerifier, 'verifyServiceToken'>;
  readonly authenticate: Authenticate;
  readonly toService: Route;
  readonly toSidecar: Route;
  /** Methods of the sidecar's own that anybody may call. */
  readonly openMethods: ReadonlySet<string>;
}

const ownPrefix = `/${policyV1.EnforcementService.typeName}/`;

export class Router {
  readonly #options: RouterOptions;

  constructor(options: RouterOptions) {
    this.#options = options;
  }

  /** Where the call goes; throws the refusal when it may not. */
  async route(call: Call): Promise<Route> {
    const { authenticate, toService, toSidecar, openMethods } = this.#options;
    if (openMethods.has(call.method)) return toSidecar;
    if (call.method.startsWith(ownPrefix)) {
      await this.#requireOwnService(call);
      return toSidecar;
    }
    const caller = await authenticate(call);
    const follow = caller.kind === 'subject' ? caller.follow : undefined;
    return follow === undefined ? toService : { ...toService, follow };
  }

  async #requireOwnService({ metadata, peer }: Call): Promise<void> {
    const { service, verifier } = this.#options;
    const [, token = ''] = /^Bearer (\S+)$/i.exec(metadata.get('authorization') ?? '') ?? [];
    if (token === '')
      throw new CogmeshError('unauthenticated', `only the ${service} may ask its sidecar, with its own service token`);
    const caller = (await verifier.verifyServiceToken(token, service)).service;
    requirePeer(peer, caller, Date.now());
    if (caller !== service)
      throw new CogmeshError('permission_denied', `only the ${service} may ask its sidecar; this is the ${caller}`);
  }
}
