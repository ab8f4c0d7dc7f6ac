/**
 * Which grants of an organisation are in force: those of its policy set and those that were accepted by a call, without any
 * that was revoked, wherever it stands. So neither an older policy set nor a copy of the grant brings a revoked one back.
 */
import { bulk, sql, type SqlRunner } from '@cogmesh/database';
import { policyLimits, type PolicySet } from '@cogmesh/policy-core';
import type { StoredPolicies } from '../policy-store.js';

interface Held {
  readonly grantor: string;
  readonly id: string;
  readonly state: string;
  readonly jws: string;
}

/** The stored sets with the grants in force in place of those that they were written with. */
export async function withGrantsInForce(db: SqlRunner, stored: readonly StoredPolicies[]): Promise<StoredPolicies[]> {
  if (stored.length === 0) return [];
  const wanted = bulk(
    db.dialect,
    stored.map(({ organisation }) => ({ name: organisation })),
    { name: 'text' },
  );
  const rows = await db.query(sql<Held>`
    select g.grantor as "grantor", g.id as "id", g.state as "state", g.jws as "jws"
    from ${wanted} as w join partner_grants g on g.grantor = w.name
    where g.state <> 'offered' order by g.created_at, g.id`);
  if (rows.length === 0) return [...stored];
  const byGrantor = Map.groupBy(rows, ({ grantor }) => grantor);
  return stored.map((one) => merged(one, byGrantor.get(one.organisation) ?? []));
}

function merged(stored: StoredPolicies, held: readonly Held[]): StoredPolicies {
  if (held.length === 0) return stored;
  const document = JSON.parse(stored.documentJson) as PolicySet;
  const states = new Map(held.map(({ id, state }) => [id, state]));
  const accepted = held.filter(({ state }) => state === 'accepted').map(({ jws }) => jws);
  // One that is known here is in force as it is known here.
  const written = document.grants.filter((jws) => !states.has(idOf(jws)));
  const grants = [...written, ...accepted].slice(0, policyLimits.grants);
  return { ...stored, documentJson: JSON.stringify({ ...document, grants }) };
}

function idOf(jws: string): string {
  try {
    const payload = Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString();
    return String((JSON.parse(payload) as { jti?: unknown }).jti);
  } catch {
    return '';
  }
}
