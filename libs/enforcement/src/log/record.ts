/**
 * What a decision looks like in the log, and which ones must never be missing from it: refusals, everything that is not a plain read,
 * and whatever crosses organisations. An action that is not known to be a read counts as a write.
 */
import type { AccessSubject } from '@cogmesh/policy-core';
import { maskValues, type Mask } from './mask.js';
import { rulesMax, textMaxChars } from './limits.js';

export interface LoggedDecision {
  readonly action: string;
  /** Canonical path, or what was asked for when it is none. */
  readonly resource: string;
  /** Organisation that owns the resource. */
  readonly owner: string;
  readonly allowed: boolean;
  readonly code: string;
  readonly reason: string;
  readonly rules: readonly string[];
  /** Epoch of the owner's policies. */
  readonly epoch: number;
  readonly grantId?: string | undefined;
  /** As given to the caller, when the decision point named one. */
  readonly decisionId?: string | undefined;
  /** Answered from a cache. */
  readonly cached?: boolean | undefined;
  /** Equal decisions it stands for; 1 when absent. */
  readonly count?: number | undefined;
}

/** Who asked, and with what. */
export interface LoggedQuestion {
  readonly subject: AccessSubject;
  readonly context?: Readonly<Record<string, unknown>> | undefined;
}

const reads: ReadonlySet<string> = new Set(['read', 'list', 'infer']);

/** Whether the call may only go on once this decision is kept. */
export function mustBeKept({ subject }: LoggedQuestion, { allowed, action, owner }: LoggedDecision): boolean {
  return !allowed || owner !== subject.organisation || !reads.has(action);
}

export interface RecordOptions {
  readonly point: string;
  readonly mask: Mask;
  /** Milliseconds since 1970. */
  readonly atMs: number;
}

/** The record as it is spooled and sent: JSON, inputs masked, nothing in it longer than an entry may be. */
export function recordJson(
  { subject, context }: LoggedQuestion,
  decisions: readonly LoggedDecision[],
  { point, mask, atMs }: RecordOptions,
): string {
  const { issuer, sub, organisation, roles, attributes } = subject;
  return JSON.stringify({
    at: atMs,
    point,
    subject: {
      issuer: cut(issuer),
      sub: cut(sub),
      organisation,
      roles,
      attributes: maskValues(attributes, mask),
    },
    context: context === undefined ? undefined : maskValues(context, mask),
    decisions: decisions.map(decisionJson),
  });
}

function decisionJson(decision: LoggedDecision): LoggedDecision {
  const { reason, resource, action, rules } = decision;
  const isShort = reason.length <= textMaxChars && resource.length <= textMaxChars && action.length <= textMaxChars;
  if (isShort && rules.length <= rulesMax) return decision;
  const shorter = {
    reason: cut(reason),
    resource: cut(resource),
    action: cut(action),
    rules: rules.slice(0, rulesMax),
  };
  return { ...decision, ...shorter };
}

/** Never ends in half a surrogate pair. */
function cut(text: string): string {
  return text.length <= textMaxChars ? text : text.slice(0, textMaxChars).toWellFormed();
}
