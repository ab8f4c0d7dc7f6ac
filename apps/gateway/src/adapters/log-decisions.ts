/** The answers that the gateway acts on, or tells, into its decision log: questions of one subject in one record. */
import { recordAnswers, type AnsweredQuestion, type DecisionLog } from '@cogmesh/enforcement';
import type { policyV1 } from '@cogmesh/contracts';
import type { Question } from '../operations/authority.js';

/** Resolves when the answers may be acted on. `unavailable` when they cannot be kept. */
export async function logDecisions(
  log: DecisionLog,
  questions: readonly Question[],
  answers: readonly policyV1.DecideResponse[],
): Promise<void> {
  const subjects = remembered(subjectOf);
  const contexts = remembered(objectOf);
  const answered = answers.flatMap((answer, i): AnsweredQuestion[] => {
    const { subject, action = '', resource, owner, contextJson = '' } = questions[i] ?? {};
    if (subject === undefined || resource === undefined) return [];
    const asked = { action, resource: { type: resource.type ?? '', id: resource.id ?? '' }, owner };
    return [
      { subject: subjects(subject), context: contextJson === '' ? undefined : contexts(contextJson), ...asked, answer },
    ];
  });
  await recordAnswers(log, answered);
}

/** The same answer for the same argument, so that what was one stays one. */
function remembered<Key, Value>(make: (key: Key) => Value): (key: Key) => Value {
  const known = new Map<Key, Value>();
  return (key) => {
    const value = known.get(key) ?? make(key);
    known.set(key, value);
    return value;
  };
}

function subjectOf({
  issuer = '',
  sub = '',
  organisation = '',
  roles = [],
  attributesJson = '',
}: NonNullable<Question['subject']>) {
  return { issuer, sub, organisation, roles, attributes: attributesJson === '' ? {} : objectOf(attributesJson) };
}

/** Written by this service a moment ago. */
const objectOf = (json: string) => JSON.parse(json) as Readonly<Record<string, unknown>>;
