/** A question as it travels to the policy service: its maps as JSON text, written once for all that share them. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { policyV1 } from '@cogmesh/contracts';
import type { OutsideSubject } from '@cogmesh/rpc';
import type { Question } from './authority.js';

type SubjectMessage = NonNullable<MessageInitShape<typeof policyV1.DecideRequestSchema>['subject']>;
type QuestionMessage = MessageInitShape<typeof policyV1.DecideRequestSchema>;

/** For the questions of one call. */
export function questionMessages(questions: readonly Question[]): QuestionMessage[] {
  const subjects = new Map<OutsideSubject, SubjectMessage>();
  const texts = new Map<object, string>();
  return questions.map(({ subject, action, resource, context, resourceAttributes, consistencyToken = '' }) => ({
    subject: made(subjects, subject, subjectMessage),
    action,
    resource,
    contextJson: context === undefined ? '' : made(texts, context, jsonText),
    resourceAttributesJson: resourceAttributes === undefined ? '' : made(texts, resourceAttributes, jsonText),
    consistencyToken,
  }));
}

export const questionMessage = (question: Question): QuestionMessage => questionMessages([question])[0]!;

export function subjectMessage({ issuer, sub, organisation, roles, tokenId, attributes }: OutsideSubject) {
  return { issuer, sub, organisation, roles: [...roles], tokenId, attributesJson: jsonText(attributes) };
}

function jsonText(value: object): string {
  const text = JSON.stringify(value);
  return text === '{}' ? '' : text;
}

function made<From, To>(known: Map<From, To>, from: From, make: (from: From) => To): To {
  let to = known.get(from);
  if (to === undefined) known.set(from, (to = make(from)));
  return to;
}
