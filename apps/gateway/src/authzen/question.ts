/**
 * An evaluation in the words of the decision point. Properties go where conditions read them: a subject's to `attributes`, a
 * resource's to `resource.attributes`, the context's to `context`, an action's to `context.action`. What evaluations of one
 * request share is made once.
 */
import type { OutsideSubject } from '@cogmesh/rpc';
import type { Question } from '../operations/authority.js';
import type { Asker } from './asker.js';
import { refuse, type Action, type Entity } from './entities.js';
import type { Evaluation } from './evaluation-request.js';
import type { JsonObject } from './i-json.js';
import { jsonLengthWithin } from './json-length.js';

/** The decision point's own limits, characters of JSON. */
const attributesMaxChars = 8 * 1024;
const contextMaxChars = 16 * 1024;

export type Questioner = (evaluation: Evaluation) => Question;

/** For the evaluations of one request. Rejects with `invalid_argument` where properties are too large to be asked about. */
export function questioner(asker: Asker): Questioner {
  const { properties } = asker;
  const subjectOf = remembered((entity: Entity) => bounded(asker.subjectOf(entity)));
  const attributesOf = remembered((resource: Entity) =>
    within(properties.pick('resource', resource.properties), 'resource.properties', attributesMaxChars),
  );
  const contextsOf = remembered((context: JsonObject) =>
    remembered((action: Action) => {
      const sent = properties.pick('action', action.properties);
      const kept = properties.pick('context', context);
      return within(isEmpty(sent) ? kept : { ...kept, action: sent }, 'context', contextMaxChars);
    }),
  );
  return ({ subject, action, resource, context }) => ({
    subject: subjectOf(subject),
    action: action.name,
    resource: { type: resource.type, id: resource.id },
    context: contextsOf(context)(action),
    resourceAttributes: attributesOf(resource),
  });
}

function bounded(subject: OutsideSubject): OutsideSubject {
  within(subject.attributes, 'subject.properties', attributesMaxChars);
  return subject;
}

function within(value: JsonObject, path: string, maxChars: number): JsonObject {
  if (jsonLengthWithin(value, maxChars)) return value;
  return refuse(path, 'too_large', `has more than ${maxChars} characters as JSON`);
}

function isEmpty(value: JsonObject): boolean {
  for (const _ in value) return false;
  return true;
}

/** By identity: a default is one object however many evaluations it stands in for. */
function remembered<From extends object, To>(make: (from: From) => To): (from: From) => To {
  const made = new Map<From, To>();
  return (from) => {
    let to = made.get(from);
    if (to === undefined) made.set(from, (to = make(from)));
    return to;
  };
}
