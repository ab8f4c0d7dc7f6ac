/** Asks the policy service, with the scheduler's own identity, what somebody may do who is not here to ask. */
import type { policyV1 } from '@cogmesh/contracts';
import { CogmeshError, toCogmeshError } from '@cogmesh/errors';
import type { Client } from '@cogmesh/rpc';
import type { NeededAccess } from '@cogmesh/scheduling-core';
import type { Creator } from '../model/schedule.js';
import type { Decisions } from '../schedules/decisions.js';

/** DecideMany's own limit. */
const requestsPerCall = 1_000;
const deadlineMs = 5_000;

/** The collections of canonical paths that a run document can name. */
const types = new Map([
  ['runs', 'run'],
  ['models', 'model'],
  ['tools', 'tool'],
  ['blobs', 'blob'],
]);

export class PolicyDecisions implements Decisions {
  readonly #policy: Client<typeof policyV1.PolicyService>;

  constructor(policy: Client<typeof policyV1.PolicyService>) {
    this.#policy = policy;
  }

  async require(creator: Creator, needed: readonly NeededAccess[]): Promise<void> {
    for (let at = 0; at < needed.length; at += requestsPerCall) {
      await this.#require(creator, needed.slice(at, at + requestsPerCall));
    }
  }

  async #require(creator: Creator, needed: readonly NeededAccess[]): Promise<void> {
    const answers = await this.#ask(creator, needed);
    for (const [index, { action, resource }] of needed.entries()) {
      const answer = answers[index];
      if (answer?.allowed === true) continue;
      if (!answer || answer.code === 'stale_policy') throw new CogmeshError('stale_policy', 'policies are too old');
      throw new CogmeshError(
        'permission_denied',
        `${creator.sub} of ${creator.organisation} may not ${action} ${resource}: ${answer.reason}`,
        { action, resource, policyCode: answer.code, rules: answer.rules, decisionId: answer.decisionId },
      );
    }
  }

  async #ask(creator: Creator, needed: readonly NeededAccess[]): Promise<readonly policyV1.DecideResponse[]> {
    const { issuer, sub, organisation, roles, attributes } = creator;
    const subject = { issuer, sub, organisation, roles: [...roles], attributesJson: JSON.stringify(attributes) };
    const requests = needed.map(({ action, resource }) => ({ subject, action, resource: entityOf(resource) }));
    try {
      return (await this.#policy.decideMany({ requests }, { deadlineMs })).responses;
    } catch (thrown) {
      // Whatever keeps an answer away is no denial, and no permission either.
      const message = `policy cannot be asked: ${toCogmeshError(thrown).message}`;
      throw new CogmeshError('unavailable', message, {}, { cause: thrown });
    }
  }
}

function entityOf(path: string): { type: string; id: string } {
  const [, collection = '', id = ''] = /^\/([a-z]+)(?:\/(.+))?$/.exec(path) ?? [];
  return { type: types.get(collection) ?? collection, id };
}
