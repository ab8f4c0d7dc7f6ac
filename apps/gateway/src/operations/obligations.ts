/**
 * Obligations at the gateway's own enforcement: an allowed request is let through only when everything that its rules ask
 * for besides is known here and done. What is not known makes it a refusal.
 */
import type { policyV1 } from '@cogmesh/contracts';
import type { Access } from '@cogmesh/rpc';
import type { CoApprovalCheck } from './co-approval.js';
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

  /**
   * The answer, after its obligations were met; a refusal with the code `unknown_obligation` where one cannot be, and with
   * `co_approval_needed` where `coApproval` says what is missing.
   */
  met(answer: policyV1.DecideResponse, right: Access, coApproval?: CoApprovalCheck): policyV1.DecideResponse {
    if (!answer.allowed || answer.obligations.length === 0) return answer;
    const gated = (obligation: policyV1.Obligation) => coApproval !== undefined && typeOf(obligation) === 'co-approval';
    const unknown = answer.obligations.find((one) => !this.#duties.has(typeOf(one)) && !gated(one));
    if (unknown === undefined) {
      const missing = answer.obligations.filter(gated).map((obligation) => coApproval?.(obligation, right));
      const [why] = missing.filter((one) => one !== undefined);
      if (why !== undefined) return { ...answer, allowed: false, code: 'co_approval_needed', reason: why };
      for (const obligation of answer.obligations) this.#duties.get(typeOf(obligation))?.(answer, obligation);
      return answer;
    }
    const reason = `${answer.reason}, with the obligation "${unknown.id}" of type "${typeOf(unknown)}", which the gateway does not know`;
    return { ...answer, allowed: false, code: 'unknown_obligation', reason };
  }
}

const typeOf = ({ id, type }: policyV1.Obligation): string => (type === '' ? id : type);
