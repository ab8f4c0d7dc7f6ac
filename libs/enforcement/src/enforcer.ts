/**
 * The enforcement point: who calls, and may they, before anything behind it sees a byte. A service token is held against the static
 * table; a permit must be genuine, for this method, unused, and every right it names must be allowed by the local policies now.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { InsideTokenVerifier, PermitClaims } from '@cogmesh/identity';
import type { Authenticate, Caller, Peer } from '@cogmesh/rpc';
import { attributeNames, spanNames, withSpan } from '@cogmesh/telemetry';
import { AccessCheck } from './access-check.js';
import { parseConsistencyToken } from './consistency-token.js';
import { credentialsOf } from './credentials.js';
import { DecisionCache } from './decision-cache.js';
import { checkLogged } from './log/check-logged.js';
import type { DecisionLog } from './log/decision-log.js';
import { anonymousMethods, isMethodPath } from './methods.js';
import { OpenCalls } from './open-calls.js';
import { requirePeer } from './peer-check.js';
import { PermitVerifier } from './permit-verifier.js';
import type { PolicySource } from './policy-source.js';
import { serviceMayCall } from './service-access.js';

export interface EnforcerOptions {
  /** The service that is guarded: the audience of every token. */
  readonly service: string;
  readonly verifier: Pick<InsideTokenVerifier, 'verifyPermit' | 'verifyServiceToken'>;
  readonly source: PolicySource;
  /** Decisions kept; 0 keeps none. */
  readonly decisionCacheEntries: number;
  /** Told every decision about a permit; a call waits for it where it must. */
  readonly log?: DecisionLog | undefined;
  /** Milliseconds since 1970. Default: the system clock. */
  readonly now?: () => number;
}

/** An authenticator for `serveRpc`, or for a sidecar in front of one. */
export function createEnforcer(options: EnforcerOptions): Authenticate {
  const now = options.now ?? Date.now;
  const permits = new PermitVerifier({ verifier: options.verifier, audience: options.service, now });
  const cache = new DecisionCache(options.decisionCacheEntries);
  const access = new AccessCheck({ source: options.source, cache, now });
  const open = new OpenCalls({ source: options.source, access, log: options.log, now });
  return async ({ method, metadata, peer }) => {
    if (!isMethodPath(method))
      throw new CogmeshError('invalid_argument', 'the path is not exactly /package.Service/Method');
    if (anonymousMethods.has(method)) return { kind: 'anonymous' };
    const { kind, token } = credentialsOf(metadata);
    if (kind === 'service') return admitService(options, { token, method, peer });
    requirePeer(peer, 'gateway', now());
    const permit = await permits.verify(token, method);
    if (permit.consistency !== undefined) await options.source.atLeast(parseConsistencyToken(permit.consistency));
    return admitPermit({ permit, permits, access, open, log: options.log });
  };
}

interface ServiceCall {
  readonly token: string;
  readonly method: string;
  readonly peer: Peer | undefined;
}

async function admitService(options: EnforcerOptions, { token, method, peer }: ServiceCall): Promise<Caller> {
  const { verifier, service, now = Date.now } = options;
  const claims = await verifier.verifyServiceToken(token, service);
  requirePeer(peer, claims.service, now());
  if (serviceMayCall(claims.service, method)) return { kind: 'service', service: claims.service };
  throw new CogmeshError(
    'permission_denied',
    `the ${claims.service} may not call ${method} with its identity alone; it takes a permit of the gateway`,
  );
}

interface Admission {
  readonly permit: PermitClaims;
  readonly permits: PermitVerifier;
  readonly access: AccessCheck;
  readonly open: OpenCalls;
  readonly log: DecisionLog | undefined;
}

function admitPermit({ permit, permits, access, open, log }: Admission): Promise<Caller> {
  const attributes = {
    [attributeNames.organisation]: permit.subject.organisation,
    [attributeNames.subject]: permit.subject.sub,
    [attributeNames.rpcMethod]: permit.method,
    [attributeNames.action]: permit.access.map(({ action }) => action).slice(0, 20),
    [attributeNames.resource]: permit.access.map(({ resource }) => resource).slice(0, 20),
  };
  const question = { access, log, also: () => permits.use(permit) };
  return withSpan(spanNames.enforce, { attributes }, async (span): Promise<Caller> => {
    try {
      const { cached, epoch } = await checkLogged(question, permit);
      span.setAttributes({
        [attributeNames.decisionAllowed]: true,
        [attributeNames.decisionCached]: cached === permit.access.length,
        [attributeNames.policyEpoch]: epoch,
      });
      return {
        kind: 'subject',
        subject: permit.subject,
        access: permit.access,
        permitId: permit.id,
        ...(permit.met === undefined ? {} : { met: permit.met }),
        follow: (end) => open.follow(permit, end),
      };
    } catch (error) {
      span.setAttribute(attributeNames.decisionAllowed, false);
      if (error instanceof CogmeshError)
        span.setAttribute(attributeNames.decisionCode, String(error.details['decision'] ?? error.code));
      throw error;
    }
  });
}
