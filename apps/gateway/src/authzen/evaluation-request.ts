/**
 * What `POST /access/v1/evaluation` and `/evaluations` ask. A default at the top stands in whole for a member that an
 * evaluation leaves out; nothing is merged inside. What is wrong with one evaluation is that evaluation's own error; what
 * is wrong with the rest is the request's.
 */
import { CogmeshError } from '@cogmesh/errors';
import { objectAt, readAction, readContext, readResource, readSubject, refuse } from './entities.js';
import type { Action, Entity } from './entities.js';
import { isObject, type JsonObject } from './i-json.js';

export interface Evaluation {
  readonly subject: Entity;
  readonly action: Action;
  readonly resource: Entity;
  readonly context: JsonObject;
}

const semantics = ['execute_all', 'deny_on_first_deny', 'permit_on_first_permit'] as const;
export type Semantic = (typeof semantics)[number];

export interface EvaluationsRequest {
  readonly semantic: Semantic;
  /** In order; an error stands where an evaluation cannot be read. */
  readonly evaluations: readonly (Evaluation | CogmeshError)[];
}

export function readEvaluation(body: JsonObject): Evaluation {
  return {
    subject: readSubject(own(body, 'subject')),
    action: readAction(own(body, 'action')),
    resource: readResource(own(body, 'resource')),
    context: readContext(own(body, 'context')),
  };
}

/** Without `evaluations`, or with none in it, the body is one evaluation. */
export function readEvaluations(body: JsonObject, max: number): EvaluationsRequest | Evaluation {
  const semantic = readSemantic(own(body, 'options'));
  const list = own(body, 'evaluations');
  if (list !== undefined && !Array.isArray(list)) refuse('evaluations', 'invalid_type', 'must be a list');
  if (list === undefined || list.length === 0) return readEvaluation(body);
  if (list.length > max) refuse('evaluations', 'too_many', `has ${list.length} evaluations, at most ${max}`);
  const defaults = readDefaults(body);
  return { semantic, evaluations: list.map((item: unknown, i) => readItem(item, defaults, `evaluations[${i}]`)) };
}

type Defaults = { readonly [Member in keyof Evaluation]?: Evaluation[Member] };

function readDefaults(body: JsonObject): Defaults {
  const [subject, action] = [own(body, 'subject'), own(body, 'action')];
  const [resource, context] = [own(body, 'resource'), own(body, 'context')];
  return {
    ...(subject === undefined ? {} : { subject: readSubject(subject) }),
    ...(action === undefined ? {} : { action: readAction(action) }),
    ...(resource === undefined ? {} : { resource: readResource(resource) }),
    ...(context === undefined ? {} : { context: readContext(context) }),
  };
}

function readItem(item: unknown, defaults: Defaults, path: string): Evaluation | CogmeshError {
  if (!isObject(item)) refuse(path, 'invalid_type', 'must be an object');
  const [subject, action] = [own(item, 'subject'), own(item, 'action')];
  const [resource, context] = [own(item, 'resource'), own(item, 'context')];
  try {
    return {
      subject: subject === undefined && defaults.subject ? defaults.subject : readSubject(subject, `${path}.subject`),
      action: action === undefined && defaults.action ? defaults.action : readAction(action, `${path}.action`),
      resource:
        resource === undefined && defaults.resource ? defaults.resource : readResource(resource, `${path}.resource`),
      context: context === undefined && defaults.context ? defaults.context : readContext(context, `${path}.context`),
    };
  } catch (thrown) {
    if (thrown instanceof CogmeshError) return thrown;
    throw thrown;
  }
}

function readSemantic(options: unknown): Semantic {
  const wanted = options === undefined ? undefined : own(objectAt(options, 'options'), 'evaluations_semantic');
  if (wanted === undefined) return 'execute_all';
  const known = semantics.find((semantic) => semantic === wanted);
  return known ?? refuse('options.evaluations_semantic', 'unknown', `must be one of ${semantics.join(', ')}`);
}

/** A member of the object itself; `constructor` is none. */
export function own(object: JsonObject, member: string): unknown {
  return Object.hasOwn(object, member) ? object[member] : undefined;
}
