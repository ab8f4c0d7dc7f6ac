/**
 * Obligations where our own services enforce a decision: one that is not known to be met makes an allowed request a refusal.
 * What a permit carries was met before it was minted; elsewhere only `log` is, whose line the decision log holds anyway.
 */
import type { Decision } from '@cogmesh/policy-core';

const met: ReadonlySet<string> = new Set(['log']);
const metByGateway: ReadonlySet<string> = new Set([...met, 'co-approval']);

export interface EnforceOptions {
  /** The gateway let the request in and minted a permit for it. */
  readonly permitted?: boolean;
}

/** The decision as it may be acted on; a refusal with the code `unknown_obligation` where an obligation is not met. */
export function enforceable(decision: Decision, { permitted = false }: EnforceOptions = {}): Decision {
  if (!decision.allowed || decision.obligations.length === 0) return decision;
  const known = permitted ? metByGateway : met;
  const unknown = decision.obligations.find(({ id, type }) => !known.has(type ?? id));
  if (unknown === undefined) return decision;
  const reason = `${decision.reason}, with the obligation "${unknown.id}", which is not known here`;
  return { ...decision, allowed: false, code: 'unknown_obligation', reason };
}
