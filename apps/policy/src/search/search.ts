/**
 * Searches by deciding: every candidate after the cursor, in order, until the page is full. So a result is allowed by the
 * policies in force, and nothing is told that a decision would not have told. Long searches let other work in between, and
 * end early with a cursor rather than hold the service.
 */
import { setImmediate as breathe } from 'node:timers/promises';
import { ownerOf, type AccessRequest, type PolicySet } from '@cogmesh/policy-core';
import { namedBy } from './candidates.js';

export type Target = 'subject' | 'resource' | 'action';

export interface Search {
  readonly target: Target;
  /** With anything in place of what is searched for. */
  readonly request: AccessRequest;
  /** Of the subjects that are searched for. */
  readonly subjectType: string;
  /** Known to the asker. */
  readonly candidates: readonly string[];
  readonly limit: number;
  /** The last candidate that was dealt with; empty to begin. */
  readonly cursor: string;
}

export interface SearchPage {
  readonly ids: readonly string[];
  readonly nextCursor: string;
  readonly hasMore: boolean;
  /** Candidates decided for this page. */
  readonly tried: number;
}

export interface SearchSources {
  /** As a decision would have it, revocations included. */
  readonly allows: (requests: readonly AccessRequest[]) => Promise<readonly boolean[]>;
  /** The set in force of an organisation. */
  readonly setOf: (organisation: string) => PolicySet | undefined;
}

/** Candidates decided in one call, and between two breaths. */
const triesPerCall = 5_000;
const triesPerBreath = 200;

export async function search(sources: SearchSources, asked: Search): Promise<SearchPage> {
  const candidates = candidatesOf(sources, asked).filter((id) => id > asked.cursor);
  const ids: string[] = [];
  let cursor = asked.cursor;
  let tried = 0;
  while (tried < candidates.length) {
    if (tried >= triesPerCall) return { ids, nextCursor: cursor, hasMore: true, tried };
    if (tried > 0) await breathe();
    const some = candidates.slice(tried, Math.min(tried + triesPerBreath, triesPerCall));
    const allowed = await sources.allows(some.map((id) => requestFor(asked, id)));
    for (const [i, id] of some.entries()) {
      if (allowed[i] === true && ids.length === asked.limit) return { ids, nextCursor: cursor, hasMore: true, tried };
      tried += 1;
      if (allowed[i] === true) ids.push(id);
      cursor = id;
    }
  }
  return { ids, nextCursor: '', hasMore: false, tried };
}

/** In the order of pages: by code unit. An empty id cannot be told from no cursor, and is the collection itself. */
function candidatesOf(sources: SearchSources, asked: Search): string[] {
  const found = new Set([...asked.candidates, ...namedCandidates(sources, asked)]);
  found.delete('');
  return [...found].sort();
}

function namedCandidates({ setOf }: SearchSources, { target, request, subjectType }: Search): Iterable<string> {
  const own = setOf(request.subject.organisation);
  if (own === undefined) return [];
  const { resources, subjects, actions } = namedBy(own);
  if (target === 'resource') return resources.get(request.resource.type) ?? [];
  if (target === 'subject') return subjectIds(subjects, subjectType);
  const owner = ownerOf(request.resource);
  const ofOwner = owner === undefined ? undefined : setOf(owner);
  return ofOwner === undefined ? actions : [...actions, ...namedBy(ofOwner).actions];
}

/** A user's id is its `sub`; that of any other type stands behind the type in it, `robot::r2`. */
function subjectIds(subjects: ReadonlySet<string>, type: string): string[] {
  if (type === 'user') return [...subjects].filter((sub) => !sub.includes('::'));
  const prefix = namePrefix(type);
  return [...subjects].filter((sub) => sub.startsWith(prefix)).map((sub) => sub.slice(prefix.length));
}

/** As whoever asks names such a subject. */
const namePrefix = (type: string): string => `${encodeURIComponent(type)}::`;

function requestFor({ target, request, subjectType }: Search, id: string): AccessRequest {
  if (target === 'action') return { ...request, action: id };
  if (target === 'resource') return { ...request, resource: { type: request.resource.type, id } };
  const sub = subjectType === 'user' ? id : namePrefix(subjectType) + id;
  return { ...request, subject: { ...request.subject, sub } };
}
