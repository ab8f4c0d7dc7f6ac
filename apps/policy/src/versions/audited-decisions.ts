/**
 * RecordedDecisions over the decision log. What a mask hid is named, so that nobody mistakes it for a value. Refusals that
 * no policy made (a stale replica, a revoked token) are left out: no policy set would have answered otherwise.
 */
import { maskedValue } from '@cogmesh/enforcement';
import { parseResourcePath, type DecisionCode, type RecordedDecision } from '@cogmesh/policy-core';
import { queryAudit } from '../audit/audit-reader.js';
import type { AuditStore } from '../audit/audit-store.js';
import type { Entry } from '../audit/entry.js';
import { queryLimitMax } from '../audit/limits.js';
import type { RecordedDecisions, RecordedRange } from './recorded-decisions.js';

const ofPolicies: ReadonlySet<string> = new Set<DecisionCode>([
  'allowed',
  'no_matching_allow',
  'denied_by_rule',
  'deny_rule_failed',
  'no_grant',
  'grant_expired',
  'unknown_organisation',
]);

export class AuditedDecisions implements RecordedDecisions {
  readonly #store: Pick<AuditStore, 'blocks'>;

  constructor(store: Pick<AuditStore, 'blocks'>) {
    this.#store = store;
  }

  async *read({ organisation, fromMs, toMs }: RecordedRange): AsyncGenerator<RecordedDecision> {
    const all = { sub: '', action: '', resource: '', deniedOnly: false, crossOrganisationOnly: false };
    const query = { ...all, organisation, fromMs, toMs, newestFirst: true, limit: queryLimitMax };
    let pageToken = '';
    do {
      const page = await queryAudit(this.#store, { ...query, pageToken });
      for (const { entry } of page.entries) if (ofPolicies.has(entry.code)) yield recordedOf(entry);
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
  }
}

function recordedOf({ subject, action, resource, owner, contextJson, ...entry }: Entry): RecordedDecision {
  const { attributesJson, ...who } = subject;
  const attributes = objectOf(attributesJson);
  const context = objectOf(contextJson);
  const { id, allowed, code, reason, count, atMs } = entry;
  return {
    id,
    request: {
      subject: { ...who, attributes },
      action,
      resource: parseResourcePath(resource),
      owner,
      context,
      nowMs: atMs,
    },
    allowed,
    code: code as DecisionCode,
    reason,
    count,
    atMs,
    // Attributes of the resource are not logged at all.
    masked: { attributes: maskedIn(attributes), context: maskedIn(context), resourceAttributes: ['*'] },
  };
}

function objectOf(json: string): Record<string, unknown> {
  return json === '' ? {} : (JSON.parse(json) as Record<string, unknown>);
}

/** Members with a masked value, at any depth. */
function maskedIn(values: Readonly<Record<string, unknown>>): string[] {
  return Object.keys(values).filter((name) => hides(values[name]));
}

function hides(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return value === maskedValue;
  return Object.values(value).some(hides);
}
