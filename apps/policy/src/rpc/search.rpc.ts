/** The face of SearchService. The gateway has settled who may search before it asks. */
import { create } from '@bufbuild/protobuf';
import { policySearchV1, policyV1 } from '@cogmesh/contracts';
import { accessReader, type DecisionLog, type PolicySource } from '@cogmesh/enforcement';
import { CogmeshError } from '@cogmesh/errors';
import type { AccessRequest } from '@cogmesh/policy-core';
import { implement, type ServiceBinding } from '@cogmesh/rpc';
import { searchCandidatesMax, searchPageMax } from '../limits.js';
import type { Informer } from '../information/informer.js';
import type { PolicyBook } from '../policy-book.js';
import { logSearch } from '../search/log-search.js';
import { search, type Target } from '../search/search.js';

export interface SearchRpcParts {
  readonly book: Pick<PolicyBook, 'engine' | 'policiesOf'>;
  /** What is revoked. */
  readonly source: Pick<PolicySource, 'revocations'>;
  readonly informer: Informer;
  /** Where it stands what was searched for, and how many were told. */
  readonly log: DecisionLog;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

const targets = new Map<policySearchV1.SearchTarget, Target>([
  [policySearchV1.SearchTarget.SUBJECT, 'subject'],
  [policySearchV1.SearchTarget.RESOURCE, 'resource'],
  [policySearchV1.SearchTarget.ACTION, 'action'],
]);

export function searchRpc({ book, source, informer, log, now }: SearchRpcParts): ServiceBinding {
  const isAllowed = (access: AccessRequest): boolean =>
    source.revocations.find({ ...access.subject, tokenId: '' }, access.nowMs) === undefined &&
    book.engine.decide(access).allowed;
  const allows = async (requests: readonly AccessRequest[]) =>
    (await informer.inform(requests)).map(({ access }) => isAllowed(access));
  const sources = { allows, setOf: (name: string) => book.policiesOf(name)?.document };
  return implement(policySearchV1.SearchService, {
    search: async ({ target: asked, request, subjectType, candidates, limit, cursor }) => {
      const target = targets.get(asked);
      if (target === undefined) throw new CogmeshError('invalid_argument', 'the search has no target');
      if (candidates.length > searchCandidatesMax || limit < 0 || limit > searchPageMax)
        throw new CogmeshError(
          'invalid_argument',
          `a search takes at most ${String(searchCandidatesMax)} candidates and 0 to ${String(searchPageMax)} results`,
        );
      const access = accessReader(now())(request ?? create(policyV1.DecideRequestSchema));
      const { tried, ...page } = await search(sources, {
        ...{ target, request: access, subjectType, candidates, limit, cursor },
      });
      await logSearch(log, access, { target, tried, found: page.ids.length, engine: book.engine });
      return { ...page, ids: [...page.ids] };
    },
  });
}
