/** What `POST /access/v1/search/{subject|resource|action}` ask. What is searched for has no id; any that is sent says nothing. */
import { objectAt, readAction, readContext, readResource, readSought, readSubject, refuse } from './entities.js';
import { own, type Evaluation } from './evaluation-request.js';
import type { JsonObject } from './i-json.js';

export type Target = 'subject' | 'resource' | 'action';

export interface SearchRequest {
  readonly target: Target;
  /** With a hole where the target is: an empty id, or an empty name. */
  readonly evaluation: Evaluation;
  readonly page: PageRequest;
}

export interface PageRequest {
  readonly token?: string;
  readonly limit?: number;
}

const anyAction = { name: '', properties: {} };

export function readSearch(body: JsonObject, target: Target): SearchRequest {
  const [subject, resource] = [own(body, 'subject'), own(body, 'resource')];
  return {
    target,
    evaluation: {
      subject: target === 'subject' ? readSought(subject, 'subject') : readSubject(subject),
      action: target === 'action' ? anyAction : readAction(own(body, 'action')),
      resource: target === 'resource' ? readSought(resource, 'resource') : readResource(resource),
      context: readContext(own(body, 'context')),
    },
    page: readPage(own(body, 'page')),
  };
}

function readPage(value: unknown): PageRequest {
  if (value === undefined) return {};
  const page = objectAt(value, 'page');
  const [token, limit] = [own(page, 'token'), own(page, 'limit')];
  const properties = own(page, 'properties');
  if (token !== undefined && typeof token !== 'string') refuse('page.token', 'invalid_type', 'must be a string');
  if (limit !== undefined && !isCount(limit)) refuse('page.limit', 'invalid_type', 'must be a non-negative integer');
  if (properties !== undefined) objectAt(properties, 'page.properties');
  // An empty token is what the last page answers: nothing to go on from.
  return { ...(token ? { token } : {}), ...(limit === undefined ? {} : { limit }) };
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
