/**
 * Obligations where our own services enforce a decision: one that is not known here makes an allowed request a refusal. `log`
 * is met by then: whoever let the request in has written its line.
 */
import type { Decision } from '@cogmesh/policy-core';

const known: ReadonlySet<string> = new Set(['log']);

/**
 * The decision as it may be acted on; a refusal with the code `unknown_obligation` where an obligation is not known. `met`:
 * types that whoever let the request in has met for it, and says so under its signature.
 */
export function enforceable(decision: Decision, met: readonly string[] = []): Decision {
  if (!decision.allowed) return decision;
  const unknown = decision.obligations.find(({ id, type }) => !known.has(type ?? id) && !met.includes(type ?? id));
  if (unknown === undefined) return decision;
  const reason = `${decision.reason}, with the obligation "${unknown.id}", which is not known here`;
  return { ...decision, allowed: false, code: 'unknown_obligation', reason };
}
