import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { DecisionEngine } from '../decision-engine.js';
import { parsePolicySet } from '../parse-policy-set.js';
import { parseResourcePath } from '../resource-path.js';
import type { AccessRequest, PolicySet } from '../types.js';
import { lintPolicySet } from './lint.js';

interface Table extends Record<string, unknown> {
  description: string;
  grantees?: string[];
  want: string[];
}

const tables = parse(readFileSync(new URL('../../testdata/lint.yaml', import.meta.url), 'utf8')) as Table[];

describe('the linter', () => {
  it.each(tables)('$description', ({ description: _, grantees, want, ...set }) => {
    const findings = lintPolicySet(parsePolicySet(set), grantees === undefined ? {} : { grantees });
    const lines = findings.map(({ severity, code, policy, message }) => `${severity} ${code} ${policy}: ${message}`);
    const [head, part] = [
      (text: string) => text.slice(0, text.indexOf(': ') + 2),
      (text: string) => text.slice(text.indexOf(': ') + 2),
    ];
    expect(lines.map(head), lines.join('\n')).toEqual(want.map(head));
    lines.forEach((line, i) => expect(line).toContain(part(want[i] ?? '')));
    for (const { advice } of findings) expect(advice).not.toBe('');
  });

  it('says a suggestion for a role that is nearly one of the set', () => {
    const set = parsePolicySet({
      roles: { operator: {} },
      policies: [{ policy: "role == 'oprator'", permissions: ['read'], resources: ['/runs'] }],
    });
    expect(lintPolicySet(set, { organisation: 'acme' })[0]?.advice).toBe('did you mean "operator"?');
  });

  it('looks at ten thousand rules', () => {
    const policies = Array.from({ length: 10_000 }, (_, i) => ({
      policy: `role == 'r${String(i % 50)}'`,
      permissions: ['read'],
      resources: [`/runs/${String(i)}/*`],
    }));
    expect(lintPolicySet(parsePolicySet({ organisation: 'acme', policies }))).toEqual([]);
  });
});

const atom = fc.constantFrom(
  "role == 'a'",
  "role == 'b'",
  "role != 'a'",
  "sub == 'ada'",
  "sub != 'ada'",
  "org_id == 'acme'",
  "org_id == 'globex'",
  "'a' in roles",
  'context.n > 1',
  'has(context.n)',
  "action == 'read'",
);
const condition = fc.option(
  fc.array(atom, { minLength: 1, maxLength: 3 }).map((atoms) => atoms.join(' && ')),
  { nil: undefined },
);
const rule = fc.record({
  policy: condition,
  permissions: fc.uniqueArray(fc.constantFrom('read', 'write', '*'), { minLength: 1, maxLength: 2 }),
  resources: fc.uniqueArray(fc.constantFrom('/runs', '/runs/*', '/runs/**', '/runs/1', '/x/*/y', '/x/a*', '/**'), {
    minLength: 1,
    maxLength: 2,
  }),
  effect: fc.constantFrom('allow', 'allow', 'deny'),
});
const request: fc.Arbitrary<AccessRequest> = fc.record({
  subject: fc.record({
    issuer: fc.constant('https://i'),
    sub: fc.constantFrom('ada', 'bob'),
    organisation: fc.constantFrom('acme', 'globex'),
    roles: fc.subarray(['a', 'b']),
    attributes: fc.constant({}),
  }),
  action: fc.constantFrom('read', 'write'),
  resource: fc.constantFrom('/runs', '/runs/1', '/runs/2/3', '/x/b/y', '/x/ab', '/z').map(parseResourcePath),
  owner: fc.constant('acme'),
  context: fc.constantFrom({}, { n: 1 }, { n: 2 }),
  nowMs: fc.constant(0),
});

/** Globex may do whatever acme lets it. */
function engineOf(document: PolicySet): DecisionEngine {
  const engine = new DecisionEngine();
  const everything = { actions: ['*'], resources: ['/**'], expiresAtMs: 1 };
  const grants = [{ id: 'g', grantor: 'acme', grantee: 'globex', ...everything }];
  engine.replace({ organisation: 'acme', epoch: 1, document, grants });
  const open = parsePolicySet([{ permissions: ['*'], resources: ['/**'] }]);
  engine.replace({ organisation: 'globex', epoch: 1, document: open, grants: [] });
  return engine;
}

describe('what the linter calls useless', () => {
  const world = fc.record({
    policies: fc.array(rule, { minLength: 2, maxLength: 5 }),
    requests: fc.array(request, { minLength: 20, maxLength: 20 }),
  });

  it('decides nothing: without it every answer is the same', () => {
    fc.assert(
      fc.property(world, ({ policies, requests }) => {
        const set = parsePolicySet({ organisation: 'acme', policies });
        const whole = engineOf(set);
        for (const { code, policy, severity } of lintPolicySet(set)) {
          if (severity === 'notice' || (code !== 'shadowed' && code !== 'unreachable')) continue;
          const without = engineOf({ ...set, policies: set.policies.filter(({ id }) => id !== policy) });
          for (const asked of requests) expect(without.decide(asked).allowed).toBe(whole.decide(asked).allowed);
        }
      }),
      { numRuns: 500 },
    );
  });
});
