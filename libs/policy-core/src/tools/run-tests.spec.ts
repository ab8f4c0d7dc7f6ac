import { CogmeshError } from '@cogmesh/errors';
import { expect, it } from 'vitest';
import { parsePolicySet } from '../parse-policy-set.js';
import { runTests } from './run-tests.js';
import { parseTestTable } from './test-table.js';

const sets = {
  acme: parsePolicySet({
    policies: [
      { id: 'readers', policy: "role == 'reader'", permissions: ['read'], resources: ['/runs/**'] },
      {
        id: 'partners',
        policy: "org_id == 'globex' && role == 'reader'",
        permissions: ['infer'],
        resources: ['/models/acme/*'],
      },
      {
        id: 'signed',
        policy: "role == 'signer'",
        permissions: ['approve'],
        resources: ['/runs/*'],
        obligations: [{ id: 'second-person' }],
      },
      { id: 'nobody-asks', policy: "sub == 'x'", permissions: ['serve'], resources: ['/runs'] },
    ],
  }),
  globex: parsePolicySet([
    { id: 'ours', policy: "role == 'reader'", permissions: ['infer'], resources: ['/models/**'] },
  ]),
};

const table = (tests: object[], rest: object = {}) =>
  parseTestTable({
    policies: { acme: 'acme.yaml', globex: 'globex.yaml' },
    given: { subject: { organisation: 'acme', roles: ['reader'] }, action: 'read', resource: '/runs/1' },
    grants: [
      {
        id: 'g',
        grantor: 'acme',
        grantee: 'globex',
        actions: ['infer'],
        resources: ['/models/acme/*'],
        expires: '2026-06-01T00:00:00Z',
      },
    ],
    tests: tests.map((one, i) => ({ name: `test ${String(i)}`, ...one })),
    ...rest,
  });

const mismatches = (...tests: object[]) => runTests(table(tests), sets).outcomes.map((one) => one.mismatches);

it('fills an input from what is given, the subject field by field', () => {
  expect(
    mismatches(
      { input: {}, want: 'allow', reason: 'readers' },
      { input: { action: 'write' }, want: 'deny', reason: 'no_matching_allow' },
      { input: { subject: { sub: 'ada' } }, want: 'allow', rules: ['readers'] },
      { input: { subject: { roles: [] } }, want: 'deny', reason: 'without a role' },
    ),
  ).toEqual([[], [], [], []]);
});

it('knows grants, their end, and who owns what', () => {
  const across = { subject: { organisation: 'globex' }, action: 'infer', resource: '/models/acme/ocr' };
  expect(
    mismatches(
      { input: across, want: 'allow', rules: ['ours', 'partners'] },
      { input: { ...across, now: '2026-06-01T00:00:00Z' }, want: 'deny', reason: 'grant_expired' },
      { input: { ...across, resource: '/models/hooli/x' }, want: 'deny', reason: 'unknown_organisation' },
      { input: { ...across, resource: '/models/../x' }, want: 'deny', reason: 'invalid_request' },
      { input: { ...across, resource: { type: 'model', id: 'acme/ocr' } }, want: 'allow' },
    ),
  ).toEqual([[], [], [], [], []]);
});

it('says each thing that is not as wanted', () => {
  expect(
    mismatches(
      { input: {}, want: 'deny', reason: 'denied_by_rule', rules: ['others'] },
      { input: { subject: { roles: ['signer'] }, action: 'approve' }, want: 'allow', obligations: [] },
    ),
  ).toEqual([
    ['wanted deny, got allow', 'wanted the reason "denied_by_rule"', 'wanted the rules others, got readers'],
    ['wanted the obligations none, got second-person'],
  ]);
});

it('counts what failed, and names the rules that no test touched', () => {
  const report = runTests(
    table([
      { input: {}, want: 'allow' },
      { input: {}, want: 'deny' },
    ]),
    sets,
  );
  expect(report.failed).toBe(1);
  expect(report.untouched).toEqual({ acme: ['partners', 'signed', 'nobody-asks'], globex: ['ours'] });
});

it('reads a table strictly', () => {
  const bad = () =>
    table([{ input: { subjct: {} }, want: 'maybe' }], { now: 'yesterday', given: { action: 1 }, more: true });
  expect(bad).toThrow(CogmeshError);
  try {
    bad();
  } catch (thrown) {
    const paths = ((thrown as CogmeshError).details.issues ?? []).map(({ path }) => path);
    expect(paths.toSorted()).toEqual(['given.action', 'more', 'tests[0].input.subjct', 'tests[0].want']);
  }
  expect(() => table([{ input: { now: 'soon' }, want: 'deny' }])).toThrow('one problem');
});
