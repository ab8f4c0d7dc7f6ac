/** Runs a table of tests against the engine itself, and tells which rules no test ever touched. */
import { DecisionEngine } from '../decision-engine.js';
import { pathProblem } from '../canonical-path.js';
import { parseResourcePath } from '../resource-path.js';
import type { AccessRequest, Decision, PartnerGrant, PolicySet, RuleOutcome } from '../types.js';
import type { PolicyTest, TestGrant, TestInput, TestTable } from './test-table.js';

export interface TestOutcome {
  readonly test: PolicyTest;
  /** Place in `tests`, from 0. */
  readonly position: number;
  readonly decision: Decision;
  /** What is not as wanted; empty when the test passed. */
  readonly mismatches: readonly string[];
  readonly rules: readonly RuleOutcome[];
}

export interface TestReport {
  readonly outcomes: readonly TestOutcome[];
  readonly failed: number;
  /** Rules that matched in no test, by organisation; organisations whose rules were all touched are left out. */
  readonly untouched: Readonly<Record<string, readonly string[]>>;
}

/** `sets`: the parsed sets of `table.policies`. `invalid_policy` when a grant is not possible. */
export function runTests(table: TestTable, sets: Readonly<Record<string, PolicySet>>): TestReport {
  const engine = new DecisionEngine();
  const grants = (table.grants ?? []).map(grantOf);
  for (const [organisation, document] of Object.entries(sets))
    engine.replace({
      organisation,
      epoch: 1,
      document,
      grants: grants.filter(({ grantor }) => grantor === organisation),
    });
  const outcomes = table.tests.map((test, position) => outcomeOf(engine, { table, test, position }));
  return {
    outcomes,
    failed: outcomes.filter(({ mismatches }) => mismatches.length > 0).length,
    untouched: untouchedRules(sets, outcomes),
  };
}

interface Placed {
  readonly table: TestTable;
  readonly test: PolicyTest;
  readonly position: number;
}

function outcomeOf(engine: DecisionEngine, { table, test, position }: Placed): TestOutcome {
  const { decision, rules } = engine.explain(requestOf(test.input, table));
  return { test, position, decision, rules, mismatches: mismatchesOf(test, decision) };
}

function mismatchesOf({ want, reason, rules, obligations }: PolicyTest, decision: Decision): string[] {
  const answered = decision.allowed ? 'allow' : 'deny';
  const found: string[] = [];
  if (answered !== want) found.push(`wanted ${want}, got ${answered}`);
  if (reason !== undefined && !explains(decision, reason)) found.push(`wanted the reason "${reason}"`);
  if (rules !== undefined && !sameNames(rules, decision.rules))
    found.push(`wanted the rules ${namesOr(rules)}, got ${namesOr(decision.rules)}`);
  const asked = decision.obligations.map(({ id }) => id);
  if (obligations !== undefined && !sameNames(obligations, asked))
    found.push(`wanted the obligations ${namesOr(obligations)}, got ${namesOr(asked)}`);
  return found;
}

function explains({ code, reason, rules }: Decision, wanted: string): boolean {
  return code === wanted || rules.includes(wanted) || reason.includes(wanted);
}

function sameNames(wanted: readonly string[], got: readonly string[]): boolean {
  return wanted.toSorted().join('\n') === got.toSorted().join('\n');
}

const namesOr = (names: readonly string[]) => (names.length === 0 ? 'none' : names.join(', '));

function requestOf(own: TestInput, { given = {}, now }: TestTable): AccessRequest {
  const input = { ...given, ...own };
  const { owner, context, resourceAttributes } = input;
  return {
    subject: subjectOf({ ...given.subject, ...own.subject }),
    action: input.action ?? '',
    resource: resourceOf(input.resource ?? ''),
    ...(owner === undefined ? {} : { owner }),
    ...(context === undefined ? {} : { context }),
    ...(resourceAttributes === undefined ? {} : { resourceAttributes }),
    nowMs: timeOf(input.now ?? now, 0),
  };
}

function subjectOf(given: NonNullable<TestInput['subject']>): AccessRequest['subject'] {
  const { organisation = '', sub = 'someone', roles = [], attributes = {} } = given;
  return { organisation, sub, issuer: given.issuer ?? `https://${organisation}.test`, roles, attributes };
}

/** A path that is not canonical is handed on as it is: refusing it is the engine's business, and may be what is tested. */
function resourceOf(resource: NonNullable<TestInput['resource']>): AccessRequest['resource'] {
  if (typeof resource !== 'string') return resource;
  return pathProblem(resource) === undefined ? parseResourcePath(resource) : { type: 'path', id: resource };
}

function grantOf({ notBefore, expires, roles, attributes, purpose, ...grant }: TestGrant): PartnerGrant {
  return {
    ...grant,
    expiresAtMs: timeOf(expires, Number.MAX_SAFE_INTEGER),
    ...(notBefore === undefined ? {} : { notBeforeMs: timeOf(notBefore, 0) }),
    ...(roles === undefined ? {} : { roles }),
    ...(attributes === undefined ? {} : { attributes }),
    ...(purpose === undefined ? {} : { purpose }),
  };
}

const timeOf = (text: string | undefined, absent: number): number => (text === undefined ? absent : Date.parse(text));

function untouchedRules(
  sets: Readonly<Record<string, PolicySet>>,
  outcomes: readonly TestOutcome[],
): Record<string, string[]> {
  const touched = new Set(
    outcomes.flatMap(({ rules }) =>
      rules
        .filter(({ outcome }) => outcome !== 'skipped')
        .map(({ organisation, ruleId }) => `${organisation} ${ruleId}`),
    ),
  );
  const entries = Object.entries(sets).map(([organisation, { policies }]) => {
    const ids = policies.map(({ id }) => id).filter((id) => !touched.has(`${organisation} ${id}`));
    return [organisation, ids] as const;
  });
  return Object.fromEntries(entries.filter(([, ids]) => ids.length > 0));
}
