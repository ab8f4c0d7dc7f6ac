import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { DecisionEngine, parsePolicySet, parseResourcePath, pathProblem } from './index.js';
import type { AccessRequest, PartnerGrant, Resource } from './index.js';

interface Case {
  description: string;
  org: string;
  sub?: string;
  roles?: string[];
  attributes?: Record<string, unknown>;
  context?: Record<string, unknown>;
  resourceAttributes?: Record<string, unknown>;
  action: string;
  resource: string | Resource;
  owner?: string;
  nowMs?: number;
  want: string;
  reason?: string;
  rules?: string[];
  grant?: string;
  cacheable?: boolean;
  obligations?: string[];
}
interface Table {
  description: string;
  policies: Record<string, unknown>;
  grants?: PartnerGrant[];
  cases: Case[];
}

function tablesIn(file: string): Table[] {
  return parse(readFileSync(new URL(`../testdata/${file}`, import.meta.url), 'utf8')) as Table[];
}

function engineOf(table: Table): DecisionEngine {
  const engine = new DecisionEngine();
  for (const [organisation, set] of Object.entries(table.policies)) {
    const grants = (table.grants ?? []).filter((grant) => grant.grantor === organisation);
    engine.replace({ organisation, epoch: 1, document: parsePolicySet(set), grants });
  }
  return engine;
}

function requestOf(given: Case): AccessRequest {
  const text = typeof given.resource === 'string' ? given.resource : undefined;
  const resource =
    text === undefined
      ? (given.resource as Resource)
      : pathProblem(text)
        ? { type: 'path', id: text }
        : parseResourcePath(text);
  return {
    subject: {
      issuer: `https://${given.org}.example`,
      sub: given.sub ?? 'someone',
      organisation: given.org,
      roles: given.roles ?? [],
      attributes: given.attributes ?? {},
    },
    action: given.action,
    resource,
    ...(given.owner === undefined ? {} : { owner: given.owner }),
    ...(given.context === undefined ? {} : { context: given.context }),
    ...(given.resourceAttributes === undefined ? {} : { resourceAttributes: given.resourceAttributes }),
    nowMs: given.nowMs ?? 0,
  };
}

for (const file of ['within-one-organisation.yaml', 'across-organisations.yaml', 'sets-of-version-two.yaml'])
  for (const table of tablesIn(file))
    describe(`${file}: ${table.description}`, () => {
      let engine: DecisionEngine;
      beforeAll(() => void (engine = engineOf(table)));
      it.each(table.cases)('$description -> $want', (given) => {
        const request = requestOf(given);
        const decision = engine.decide(request);
        expect(decision.code, decision.reason).toBe(given.want);
        expect(decision.allowed).toBe(given.want === 'allowed');
        if (given.reason !== undefined) expect(decision.reason).toContain(given.reason);
        if (given.rules !== undefined) expect(decision.rules).toEqual(given.rules);
        if (given.grant !== undefined) expect(decision.grantId).toBe(given.grant);
        if (given.cacheable !== undefined) expect(decision.cacheable).toBe(given.cacheable);
        if (given.obligations !== undefined)
          expect(decision.obligations.map(({ id }) => id)).toEqual(given.obligations);
        expect(engine.explain(request).decision).toEqual(decision);
      });
    });
