/** A decision and everything that is told of it, worked out once however often it is given. */
import { create } from '@bufbuild/protobuf';
import { policyV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { resourcePath, type AccessRequest, type Decision } from '@cogmesh/policy-core';
import { decisionId } from './decision-id.js';
import { fromDecision } from './decide-messages.js';
import type { LoggedDecision } from './log/record.js';

export class Verdict {
  readonly decision: Decision;
  /** Organisation that owns the resource. */
  readonly owner: string;
  readonly #asked: Pick<AccessRequest, 'action' | 'resource'>;
  #id: string | undefined;
  #answer: policyV1.DecideResponse | undefined;
  #logged: LoggedDecision | undefined;
  #repeated: LoggedDecision | undefined;

  constructor(decision: Decision, owner: string, { action, resource }: Pick<AccessRequest, 'action' | 'resource'>) {
    this.decision = decision;
    this.owner = owner;
    this.#asked = { action, resource };
  }

  /** Every answer that rests on this decision carries it, and so do its entries in the log. */
  get id(): string {
    return (this.#id ??= decisionId());
  }

  /** In the words of PolicyService; one object, which nobody may change. */
  get answer(): policyV1.DecideResponse {
    return (this.#answer ??= create(policyV1.DecideResponseSchema, {
      ...fromDecision(this.decision),
      decisionId: this.id,
    }));
  }

  /** `isRepeated`: it was made for an earlier request. */
  logged(isRepeated: boolean): LoggedDecision {
    if (isRepeated) return (this.#repeated ??= { ...this.#entry(), cached: true });
    return (this.#logged ??= { ...this.#entry(), cached: false });
  }

  #entry(): LoggedDecision {
    const { allowed, code, reason, rules, epoch, grantId } = this.decision;
    const { action, resource } = this.#asked;
    const named = { action, resource: loggedName(resource), owner: this.owner };
    return { ...named, allowed, code, reason, rules, epoch, grantId, decisionId: this.id };
  }
}

/** What is no canonical name is logged as it was asked for. */
export function loggedName(resource: AccessRequest['resource']): string {
  try {
    return resourcePath(resource);
  } catch (thrown) {
    if (!(thrown instanceof CogmeshError)) throw thrown;
    return `${resource.type}:${resource.id}`;
  }
}
