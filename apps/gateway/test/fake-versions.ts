/** The policy service's versions by contract: it answers with what it was asked, so that a test sees what arrived. */
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { policyVersionsV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { implement, type CallContext, type ServiceBinding } from '@cogmesh/rpc';

const writtenAt = timestampFromMs(1_790_000_000_000);
const flip = {
  callerOrganisation: 'acme',
  subject: 'ada',
  action: 'read',
  resource: '/runs',
  owner: 'globex',
  liveCode: 'allowed',
  candidateCode: 'no_grant',
  liveReason: 'now',
  candidateReason: 'then',
  count: 3n,
  lastAt: writtenAt,
};

export class FakeVersions {
  /** Requests by method, the last one of each. */
  readonly seen = new Map<string, { organisation: string }>();

  service(own: (call: CallContext, organisation: string) => void): ServiceBinding {
    const see = <Request extends { organisation: string }>(
      name: string,
      request: Request,
      call: CallContext,
    ): Request => {
      own(call, request.organisation);
      this.seen.set(name, request);
      return request;
    };
    const version = { epoch: 2n, writtenBy: 'ada', writtenAt, note: 'why', live: true, policies: 1, grants: 0 };
    const candidate = { id: 'c1', basedOnEpoch: 2n, writtenBy: 'ada', writtenAt, note: '', compared: 9n, skipped: 1n };
    const compared = { ...candidate, flipsToDeny: 3n, flipsToAllow: 0n, flips: [flip] };
    return implement(policyVersionsV1.PolicyVersionService, {
      listVersions: async (request, call) => {
        see('list', request, call);
        return { versions: [version], nextBefore: 2n };
      },
      getVersion: async (request, call) => {
        if (see('get', request, call).epoch !== 2n) throw new CogmeshError('not_found', 'no such epoch');
        return { version, policySetJson: '{"policies":[]}' };
      },
      rollback: async (request, call) => {
        see('rollback', request, call);
        return { epoch: 3n };
      },
      putCandidate: async (request, call) => {
        see('putCandidate', request, call);
        return { candidate };
      },
      getCandidate: async (request, call) => {
        see('getCandidate', request, call);
        return { candidate: compared, policySetJson: '[]' };
      },
      dropCandidate: async (request, call) => {
        see('dropCandidate', request, call);
        return {};
      },
      promoteCandidate: async (request, call) => {
        see('promote', request, call);
        return { epoch: 4n };
      },
      simulate: async (request, call) => {
        see('simulate', request, call);
        return { replayed: 5n, unchanged: 2n, flips: [flip], flipsToDeny: 3n, undecidable: 0n, flipsNotListed: 0n };
      },
    });
  }
}
