import { extAuthzV3 } from '@cogmesh/contracts';
import { toCogmeshError } from '@cogmesh/errors';
import { implement, type ServiceBinding } from '@cogmesh/rpc';
import type { Logger } from '@cogmesh/telemetry';
import { allowed, denied } from '../ext-authz/answer.js';
import type { ExternalCheck } from '../ext-authz/check.js';
import { readRequest } from '../ext-authz/http-request.js';

/** Envoy's external authorization. Every outcome is an answer: an error of ours refuses the request that Envoy holds. */
export function authorizationRpc(check: Pick<ExternalCheck, 'admit'>, logger: Logger): ServiceBinding {
  return implement(extAuthzV3.Authorization, {
    check: async ({ attributes }) => {
      try {
        const request = readRequest(attributes);
        return allowed(request, await check.admit(request));
      } catch (thrown) {
        const error = toCogmeshError(thrown);
        if (error.code === 'internal') logger.error({ err: thrown }, 'an external authorization check failed');
        return denied(error);
      }
    },
  });
}
