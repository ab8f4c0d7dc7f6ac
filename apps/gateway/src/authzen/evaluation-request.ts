/**
 * What `POST /access/v1/evaluation` and `/evaluations` ask. A default at the top stands in whole for a member that an
 * evaluation leaves out; of a member that is there it gives only a type, an id or a name that is missing, so a default may
 * lack what every evaluation brings. What is wrong with one evaluation is that evaluation's own error; what is wrong with
 * the rest is the request's.
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
  /** Whether answers tell the ids of their decisions. */
  readonly withIds: boolean;
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
  const options = readOptions(own(body, 'options'));
  const list = own(body, 'evaluations');
  if (list !== undefined && !Array.isArray(list)) refuse('evaluations', 'invalid_type', 'must be a list');
  if (list === undefined || list.length === 0) return readEvaluation(body);
  if (list.length > max) refuse('evaluations', 'too_many', `has ${list.length} evaluations, at most ${max}`);
  const defaults = readDefaults(body);
  return { ...options, evaluations: list.map((item: unknown, i) => readItem(item, defaults, `evaluations[${i}]`)) };
}

/** How a member is read, and what of it a default may give to one that lacks it. */
interface Member<Value> {
  readonly name: 'subject' | 'action' | 'resource' | 'context';
  readonly required: readonly string[];
  readonly read: (value: unknown, path: string) => Value;
}

const members = {
  subject: { name: 'subject', required: ['type', 'id'], read: readSubject },
  action: { name: 'action', required: ['name'], read: readAction },
  resource: { name: 'resource', required: ['type', 'id'], read: readResource },
  context: { name: 'context', required: [], read: readContext },
} as const satisfies { readonly [Name in keyof Evaluation]: Member<Evaluation[Name]> };

interface Default<Value> {
  readonly sent: JsonObject;
  /** One object however many evaluations it stands in for; the error of a default that lacks something. */
  readonly value: Value | CogmeshError;
}

type Defaults = { readonly [Name in keyof Evaluation]: Default<Evaluation[Name]> | undefined };

function readDefaults(body: JsonObject): Defaults {
  return {
    subject: readDefault(body, members.subject),
    action: readDefault(body, members.action),
    resource: readDefault(body, members.resource),
    context: readDefault(body, members.context),
  };
}

function readDefault<Value>(body: JsonObject, { name, required, read }: Member<Value>): Default<Value> | undefined {
  const value = own(body, name);
  if (value === undefined) return undefined;
  const sent = objectAt(value, name);
  const lacksSome = required.some((part) => own(sent, part) === undefined);
  // What it has must be right all the same: whole, it reads as if every evaluation had brought the rest.
  if (lacksSome) read({ ...Object.fromEntries(required.map((part) => [part, 'x'])), ...sent }, name);
  return { sent, value: lacksSome ? errorOf(() => read(sent, name)) : read(sent, name) };
}

function errorOf<Value>(read: () => Value): Value | CogmeshError {
  try {
    return read();
  } catch (thrown) {
    if (thrown instanceof CogmeshError) return thrown;
    throw thrown;
  }
}

function readItem(item: unknown, defaults: Defaults, path: string): Evaluation | CogmeshError {
  if (!isObject(item)) refuse(path, 'invalid_type', 'must be an object');
  return errorOf(() => ({
    subject: readMember(item, { member: members.subject, fallback: defaults.subject, path }),
    action: readMember(item, { member: members.action, fallback: defaults.action, path }),
    resource: readMember(item, { member: members.resource, fallback: defaults.resource, path }),
    context: readMember(item, { member: members.context, fallback: defaults.context, path }),
  }));
}

interface Place<Value> {
  readonly member: Member<Value>;
  readonly fallback: Default<Value> | undefined;
  readonly path: string;
}

function readMember<Value>(item: JsonObject, { member, fallback, path }: Place<Value>): Value {
  const { name, required, read } = member;
  const value = own(item, name);
  if (value !== undefined) return read(completed(value, fallback?.sent, required), `${path}.${name}`);
  if (fallback === undefined) return read(undefined, `${path}.${name}`);
  if (fallback.value instanceof CogmeshError) throw fallback.value;
  return fallback.value;
}

function completed(value: unknown, sent: JsonObject | undefined, required: readonly string[]): unknown {
  if (sent === undefined || !isObject(value)) return value;
  const missing = required.filter((part) => own(value, part) === undefined && own(sent, part) !== undefined);
  if (missing.length === 0) return value;
  return { ...value, ...Object.fromEntries(missing.map((part) => [part, sent[part]])) };
}

function readOptions(value: unknown): Pick<EvaluationsRequest, 'semantic' | 'withIds'> {
  const options = value === undefined ? {} : objectAt(value, 'options');
  const [wanted, ids] = [own(options, 'evaluations_semantic'), own(options, 'decision_ids')];
  if (ids !== undefined && typeof ids !== 'boolean')
    refuse('options.decision_ids', 'invalid_type', 'must be true or false');
  const semantic = wanted === undefined ? 'execute_all' : semantics.find((known) => known === wanted);
  if (semantic === undefined)
    refuse('options.evaluations_semantic', 'unknown', `must be one of ${semantics.join(', ')}`);
  return { semantic, withIds: ids === true };
}

/** A member of the object itself; `constructor` is none. */
export function own(object: JsonObject, member: string): unknown {
  return Object.hasOwn(object, member) ? object[member] : undefined;
}
