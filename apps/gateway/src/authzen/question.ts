/**
 * An evaluation in the words of the policy service. Properties go where conditions read them: a subject's to `attributes`, a
 * resource's to `resource.attributes`, the context's to `context`, an action's to `context.action`. What evaluations of one
 * request share is turned into text once.
 */
import type { OutsideSubject } from '@cogmesh/rpc';
import type { Question } from '../operations/authority.js';
import type { Asker } from './asker.js';
import { refuse, type Action, type Entity } from './entities.js';
import type { Evaluation } from './evaluation-request.js';
import type { JsonObject } from './i-json.js';

/** DecideRequest's own limits, characters of JSON. */
const attributesMaxChars = 8 * 1024;
const contextMaxChars = 16 * 1024;

export type Questioner = (evaluation: Evaluation) => Question;

/** For the evaluations of one request. Rejects with `invalid_argument` where properties are too large to be asked about. */
export function questioner(asker: Asker): Questioner {
  const { properties } = asker;
  const subjectOf = remembered((entity: Entity) => subjectMessage(asker.subjectOf(entity)));
  const attributesOf = remembered((resource: Entity) =>
    jsonText(properties.pick('resource', resource.properties), 'resource.properties', attributesMaxChars),
  );
  const contextsOf = remembered((context: JsonObject) =>
    remembered((action: Action) => {
      const sent = properties.pick('action', action.properties);
      const kept = properties.pick('context', context);
      const whole = Object.keys(sent).length === 0 ? kept : { ...kept, action: sent };
      return jsonText(whole, 'context', contextMaxChars);
    }),
  );
  return ({ subject, action, resource, context }) => ({
    subject: subjectOf(subject),
    action: action.name,
    resource: { type: resource.type, id: resource.id },
    contextJson: contextsOf(context)(action),
    resourceAttributesJson: attributesOf(resource),
  });
}

/** The question whether the asker itself has a right. */
export function questionAbout(
  subject: OutsideSubject,
  action: string,
  resource: { readonly type: string; readonly id: string },
): Question {
  return { subject: subjectMessage(subject), action, resource };
}

function subjectMessage({ issuer, sub, organisation, roles, tokenId, attributes }: OutsideSubject) {
  const attributesJson = jsonText(attributes, 'subject.properties', attributesMaxChars);
  return { issuer, sub, organisation, roles: [...roles], tokenId, attributesJson };
}

function jsonText(value: JsonObject, path: string, maxChars: number): string {
  const text = JSON.stringify(value);
  if (text.length > maxChars) refuse(path, 'too_large', `has ${text.length} characters as JSON, at most ${maxChars}`);
  return text === '{}' ? '' : text;
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
