/**
 * A page of a search in the decision log: one entry, however many candidates were decided for it, so that a search is never
 * cheaper to hide than to make and never floods the log. It stands for a question about many, and is replayed by nobody.
 */
import type { DecisionLog } from '@cogmesh/enforcement';
import { ownerOf, resourcePath, type AccessRequest, type DecisionEngine } from '@cogmesh/policy-core';
import type { Target } from './search.js';

/** In place of a decision's code. */
const searchedCode = 'searched';

interface SearchedPage {
  readonly target: Target;
  readonly tried: number;
  readonly found: number;
  readonly engine: Pick<DecisionEngine, 'epochOf'>;
}

/** Resolves when the page may be told; rejects as `DecisionLog.record`. */
export async function logSearch(log: DecisionLog, access: AccessRequest, page: SearchedPage): Promise<void> {
  const { subject, action, resource, owner: named, context } = access;
  const { target, tried, found, engine } = page;
  const owner = ownerOf(resource) ?? (named || subject.organisation);
  const searched = target === 'resource' ? { type: resource.type, id: '' } : resource;
  const asked = target === 'subject' ? { ...subject, sub: '*' } : subject;
  await log.record({ subject: asked, context }, [
    {
      action: target === 'action' ? '*' : action,
      resource: resourcePath(searched),
      owner,
      allowed: true,
      code: searchedCode,
      reason: `a search of ${target}s: ${String(found)} of ${String(tried)} candidates are allowed and told`,
      rules: [],
      epoch: engine.epochOf(owner) ?? 0,
    },
  ]);
}
