/** The face of SearchService. The gateway has settled who may search before it asks. */
import { create } from '@bufbuild/protobuf';
import { policySearchV1, policyV1 } from '@cogmesh/contracts';
import { accessReader } from '@cogmesh/enforcement';
import { CogmeshError } from '@cogmesh/errors';
import { implement, type ServiceBinding } from '@cogmesh/rpc';
import { searchCandidatesMax, searchPageMax } from '../limits.js';
import type { PolicyBook } from '../policy-book.js';
import { search, type Target } from '../search/search.js';

export interface SearchRpcParts {
  readonly book: Pick<PolicyBook, 'engine' | 'policiesOf'>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

const targets = new Map<policySearchV1.SearchTarget, Target>([
  [policySearchV1.SearchTarget.SUBJECT, 'subject'],
  [policySearchV1.SearchTarget.RESOURCE, 'resource'],
  [policySearchV1.SearchTarget.ACTION, 'action'],
]);

export function searchRpc({ book, now }: SearchRpcParts): ServiceBinding {
  const sources = { engine: book.engine, setOf: (name: string) => book.policiesOf(name)?.document };
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
      const page = await search(sources, { target, request: access, subjectType, candidates, limit, cursor });
      return { ...page, ids: [...page.ids] };
    },
  });
}
