/**
 * Roles that an organisation gives to its own subjects beside those of their tokens. A binding whose `when` fails gives no
 * role, and leaves in doubt which roles the subject has, so that a deny rule about roles denies.
 */
import { CogmeshError } from '@cogmesh/errors';
import { compileCondition, evaluationErrorText, isConditionProblem, type Condition } from './condition.js';
import type { Facts } from './facts.js';
import { readsNothing, unionOfReads } from './reads.js';
import type { AccessSubject, Reads, RoleBinding } from './types.js';

interface CompiledBinding {
  readonly id: string;
  readonly role: string;
  readonly when: Condition | undefined;
}

export interface GivenRoles {
  readonly roles: readonly string[];
  /** Why it is not known whether there are more. */
  readonly inDoubt: string | undefined;
}

const nothing: GivenRoles = { roles: [], inDoubt: undefined };

export class BindingBook {
  /** By subject, then by issuer; the issuer `''` stands for any. */
  readonly #bySubject = new Map<string, Map<string, CompiledBinding[]>>();

  /** `invalid_policy` for a condition that parsePolicySet would not have let through. */
  constructor(bindings: readonly RoleBinding[]) {
    for (const binding of bindings) this.#add(binding);
  }

  /** The roles given to the subject under these facts, which hold no role yet. */
  rolesOf(subject: AccessSubject, facts: () => Facts): GivenRoles {
    const bindings = this.#of(subject);
    if (bindings.length === 0) return nothing;
    const roles: string[] = [];
    let inDoubt: string | undefined;
    for (const { id, role, when } of bindings) {
      try {
        if (when === undefined || when.evaluate(facts())) roles.push(role);
      } catch (thrown) {
        inDoubt = `binding "${id}" failed: ${evaluationErrorText(thrown)}`;
      }
    }
    return { roles, inDoubt };
  }

  reads(subject: AccessSubject): Reads {
    const bindings = this.#of(subject);
    return bindings.length === 0 ? readsNothing : unionOfReads(bindings.map(({ when }) => when?.reads ?? readsNothing));
  }

  #of({ sub, issuer }: AccessSubject): readonly CompiledBinding[] {
    const byIssuer = this.#bySubject.get(sub);
    if (byIssuer === undefined) return [];
    const named = issuer === '' ? [] : (byIssuer.get(issuer) ?? []);
    return [...(byIssuer.get('') ?? []), ...named];
  }

  #add({ id, role, subjects, when }: RoleBinding): void {
    const condition = when === undefined ? undefined : compileCondition(when, 'binding');
    if (condition !== undefined && isConditionProblem(condition))
      throw new CogmeshError('invalid_policy', `binding "${id}": ${condition.message}`);
    for (const { sub, issuer = '' } of subjects) {
      const byIssuer = this.#bySubject.get(sub) ?? new Map<string, CompiledBinding[]>();
      this.#bySubject.set(sub, byIssuer);
      const bindings = byIssuer.get(issuer) ?? [];
      byIssuer.set(issuer, bindings);
      bindings.push({ id, role, when: condition });
    }
  }
}
