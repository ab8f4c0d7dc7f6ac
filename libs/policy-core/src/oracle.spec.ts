/**
 * The engine against an oracle that is slow and obviously right: every rule in turn, globs as regular expressions made
 * from their definition, conditions as closures that stand beside their CEL text.
 */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { DecisionEngine, parsePolicySet, type AccessRequest, type Effect, type PartnerGrant } from './index.js';

type Truth = boolean | 'error';
interface Person {
  org: string;
  role: string;
  roles: readonly string[];
  level: number | undefined;
}
interface Term {
  cel: string;
  aboutRole: boolean;
  namesOrganisation: boolean;
  holds(person: Person): Truth;
}

const orgs = ['acme', 'globex'];
const roleNames = ['reader', 'operator', 'admin'];
const inherits: Record<string, Record<string, string[]>> = {
  acme: { reader: [], operator: ['reader'], admin: ['operator'] },
  globex: { reader: ['operator'], operator: [], admin: [] },
};

const term = fc.oneof(
  fc.constantFrom(...orgs).map((org): Term => ({
    cel: `org_id == '${org}'`,
    aboutRole: false,
    namesOrganisation: true,
    holds: (p) => p.org === org,
  })),
  fc.constantFrom(...roleNames).map((role): Term => ({
    cel: `role == '${role}'`,
    aboutRole: true,
    namesOrganisation: false,
    holds: (p) => p.role === role,
  })),
  fc.constantFrom(...roleNames).map((role): Term => ({
    cel: `'${role}' in roles`,
    aboutRole: true,
    namesOrganisation: false,
    holds: (p) => p.roles.includes(role),
  })),
  fc.integer({ min: 0, max: 3 }).map((n): Term => ({
    cel: `attributes.level >= ${String(n)}`,
    aboutRole: false,
    namesOrganisation: false,
    holds: (p) => (p.level === undefined ? 'error' : p.level >= n),
  })),
);

interface OracleRule {
  id: string;
  effect: Effect;
  permissions: string[];
  resources: string[];
  terms: Term[];
}

const globs = [
  '/**',
  '/runs',
  '/runs/*',
  '/runs/**',
  '/models/acme/*',
  '/models/acme/oc*',
  '/models/*/ocr',
  '/models/globex/**',
  '/runs/1/x*z',
];
const paths: [string, string, string][] = [
  ['run', '', '/runs'],
  ['run', '1', '/runs/1'],
  ['run', '1/xyz', '/runs/1/xyz'],
  ['model', 'acme/ocr', '/models/acme/ocr'],
  ['model', 'acme/vad', '/models/acme/vad'],
  ['model', 'globex/ocr', '/models/globex/ocr'],
];
const actions = ['read', 'infer', 'create'];

const ruleArbitrary = fc.record({
  effect: fc.constantFrom<Effect>('allow', 'allow', 'deny'),
  permissions: fc.uniqueArray(fc.constantFrom(...actions, '*'), { minLength: 1, maxLength: 3 }),
  resources: fc.uniqueArray(fc.constantFrom(...globs), { minLength: 1, maxLength: 3 }),
  terms: fc.array(term, { maxLength: 2 }),
});
const setArbitrary = fc
  .array(ruleArbitrary, { maxLength: 6 })
  .map((rules) => rules.map((rule, i): OracleRule => ({ ...rule, id: `r${String(i)}` })));

function globMatches(glob: string, path: string): boolean {
  const source = glob
    .replace(/[.$^+?()[\]{}|\\]/g, '\\$&')
    .replace(/\/\*\*$/, '(?:/.+)?')
    .replace(/\/\*$/, '/.+')
    .replaceAll(/(?<!\.)\*/g, '[^/]*');
  return new RegExp(`^${source}$`, 'u').test(path);
}

function conjunction(terms: readonly Term[], person: Person): Truth {
  const truths = terms.map((each) => each.holds(person));
  return truths.includes(false) ? false : truths.includes('error') ? 'error' : true;
}

function truthOf(rule: OracleRule, people: Person, foreign: boolean): Truth {
  const aboutRole = rule.terms.some((each) => each.aboutRole);
  const namesOrganisation = rule.terms.some((each) => each.namesOrganisation);
  if (aboutRole && rule.effect === 'allow' && foreign && !namesOrganisation) return false;
  if (!rule.terms.some((each) => each.cel.startsWith('role =='))) return conjunction(rule.terms, people);
  if (people.roles.length === 0 && rule.effect === 'allow') return false;
  const tries = (people.roles.length === 0 ? [''] : people.roles).map((role) =>
    conjunction(rule.terms, { ...people, role }),
  );
  return tries.includes(true) ? true : tries.includes('error') ? 'error' : false;
}

function allows(
  rules: readonly OracleRule[],
  person: Person,
  ask: { action: string; path: string; foreign: boolean },
): boolean {
  let allowed = false;
  for (const rule of rules) {
    if (!rule.permissions.includes(ask.action) && !rule.permissions.includes('*')) continue;
    if (!rule.resources.some((glob) => globMatches(glob, ask.path))) continue;
    const truth = truthOf(rule, person, ask.foreign);
    if (rule.effect === 'deny' && truth !== false) return false;
    if (rule.effect === 'allow' && truth === true) allowed = true;
  }
  return allowed;
}

function closure(org: string, roles: readonly string[]): string[] {
  const found = [...roles];
  for (let grew = true; grew;) {
    const more = found.flatMap((role) => inherits[org]?.[role] ?? []).filter((role) => !found.includes(role));
    grew = more.length > 0;
    found.push(...new Set(more));
  }
  return found;
}

const grant: PartnerGrant = {
  id: 'g',
  grantor: 'acme',
  grantee: 'globex',
  actions: ['infer', 'read'],
  resources: ['/models/acme/oc*', '/runs/**'],
  expiresAtMs: 100,
};

function engineOf(sets: Record<string, readonly OracleRule[]>): DecisionEngine {
  const engine = new DecisionEngine();
  for (const [organisation, rules] of Object.entries(sets)) {
    const policies = rules.map(({ terms, ...rest }) => ({
      ...rest,
      ...(terms.length === 0 ? {} : { policy: terms.map((each) => each.cel).join(' && ') }),
    }));
    const roles = Object.fromEntries(
      Object.entries(inherits[organisation] ?? {}).map(([role, names]) => [role, { inherits: names }]),
    );
    const document = parsePolicySet({ organisation, policies, roles });
    engine.replace({ organisation, epoch: 1, document, grants: organisation === 'acme' ? [grant] : [] });
  }
  return engine;
}

interface Question {
  org: string;
  roles: string[];
  level: number | undefined;
  action: string;
  path: [string, string, string];
  owner: string | undefined;
  nowMs: number;
}

const questionArbitrary: fc.Arbitrary<Question> = fc.record({
  org: fc.constantFrom(...orgs),
  roles: fc.uniqueArray(fc.constantFrom(...roleNames), { maxLength: 2 }),
  level: fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined }),
  action: fc.constantFrom(...actions),
  path: fc.constantFrom(...paths),
  owner: fc.constantFrom(undefined, ...orgs),
  nowMs: fc.constantFrom(50, 100),
});

function ownerOfQuestion({ path: [type, id], owner, org }: Question): string {
  return type === 'model' ? (id.split('/')[0] ?? '') : (owner ?? org);
}

function isGranted({ path: [, , path], action, nowMs }: Question): boolean {
  return grant.actions.includes(action) && grant.resources.some((glob) => globMatches(glob, path)) && nowMs < 100;
}

function oracleAllows(sets: Record<string, readonly OracleRule[]>, question: Question): boolean {
  const { org, roles, level, action } = question;
  const owner = ownerOfQuestion(question);
  const person = { org, role: '', roles: closure(org, roles), level };
  const ask = { action, path: question.path[2], foreign: owner !== org };
  if (ask.foreign && !(owner === 'acme' && isGranted(question))) return false;
  return allows(sets[owner] ?? [], person, ask) && allows(sets[org] ?? [], person, { ...ask, foreign: false });
}

function requestOf({ org, roles, level, action, path: [type, id], owner, nowMs }: Question): AccessRequest {
  const attributes = level === undefined ? {} : { level };
  const subject = { issuer: 'i', sub: 's', organisation: org, roles, attributes };
  return { subject, action, resource: { type, id }, ...(owner === undefined ? {} : { owner }), nowMs };
}

it('agrees with the oracle', () => {
  const answers = { allowed: 0, refused: 0 };
  fc.assert(
    fc.property(setArbitrary, setArbitrary, questionArbitrary, (acme, globex, question) => {
      const sets = { acme, globex };
      const want = oracleAllows(sets, question);
      answers[want ? 'allowed' : 'refused']++;
      expect(engineOf(sets).decide(requestOf(question)).allowed).toBe(want);
    }),
    { numRuns: 1_500 },
  );
  expect(answers.allowed).toBeGreaterThan(50);
  expect(answers.refused).toBeGreaterThan(50);
});
