/**
 * Obligations at the gateway's own enforcement: an allowed request is let through only when everything that its rules ask
 * for besides is known here and done. What is not known makes it a refusal.
 */
import type { policyV1 } from '@cogmesh/contracts';
import type { Logger } from '@cogmesh/telemetry';

/** Does what the obligation asks; called once per decision. */
type Duty = (decision: policyV1.DecideResponse, obligation: policyV1.Obligation) => void;

export class Obligations {
  readonly #duties: ReadonlyMap<string, Duty>;

  constructor(logger: Pick<Logger, 'info'>) {
    this.#duties = new Map([
      [
        'log',
        ({ decisionId, rules }, { id }) => logger.info({ decisionId, rules, obligation: id }, 'access was granted'),
      ],
    ]);
  }

  /** The answer, after its obligations were met; a refusal with the code `unknown_obligation` where one cannot be. */
  met(answer: policyV1.DecideResponse): policyV1.DecideResponse {
    if (!answer.allowed || answer.obligations.length === 0) return answer;
    const unknown = answer.obligations.find((obligation) => !this.#duties.has(typeOf(obligation)));
    if (unknown === undefined) {
      for (const obligation of answer.obligations) this.#duties.get(typeOf(obligation))?.(answer, obligation);
      return answer;
    }
    const reason = `${answer.reason}, with the obligation "${unknown.id}" of type "${typeOf(unknown)}", which the gateway does not know`;
    return { ...answer, allowed: false, code: 'unknown_obligation', reason };
  }
}

const typeOf = ({ id, type }: policyV1.Obligation): string => (type === '' ? id : type);
