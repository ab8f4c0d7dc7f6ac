/**
 * Conditions as trees that are both written as CEL and evaluated node by node, with CEL's three answers: an error is
 * absorbed by `false &&` and `true ||` on either side, and by nothing else.
 */
import type { Random } from './random.js';

export type Truth = boolean | 'error';

export interface View {
  sub: string;
  issuer: string;
  org: string;
  role: string;
  roles: readonly string[];
  action: string;
  type: string;
  path: string;
  owner: string;
  attributes: Record<string, unknown>;
  context: Record<string, unknown>;
  resourceAttributes: Record<string, unknown>;
  topology: { parents: string[]; members: string[]; partners: string[] };
}

export interface Expression {
  cel: string;
  /** Variables named in it. */
  names: string[];
  truth(view: View): Truth;
}

export const orgs = ['acme', 'globex', 'initech'];
export const roleNames = ['reader', 'operator', 'admin', 'auditor'];
export const subs = ['ada', 'bob', 'cy'];
export const issuers = ['i1', 'i2'];
export const actionNames = ['read', 'infer', 'create'];

type Atom = (random: Random) => Expression;

const leaf = (names: string[], cel: string, truth: (view: View) => Truth): Expression => ({ cel, names, truth });

const org: Atom = (random) => {
  const name = random.pick(orgs);
  return leaf(['org_id'], `org_id == '${name}'`, (view) => view.org === name);
};
const role: Atom = (random) => {
  const name = random.pick(roleNames);
  return random.chance(60)
    ? leaf(['role'], `role == '${name}'`, (view) => view.role === name)
    : leaf(['roles'], `'${name}' in roles`, (view) => view.roles.includes(name));
};
const who: Atom = (random) => {
  const sub = random.pick(subs);
  const issuer = random.pick(issuers);
  return random.chance(60)
    ? leaf(['sub'], `sub == '${sub}'`, (view) => view.sub === sub)
    : leaf(['issuer'], `issuer == '${issuer}'`, (view) => view.issuer === issuer);
};
const relation: Atom = (random) => {
  const kind = random.pick(['parents', 'members', 'partners'] as const);
  return leaf(['org_id'], `org_id in topology.${kind}`, (view) => view.topology[kind].includes(view.org));
};
const place: Atom = (random) => {
  const owner = random.pick(orgs);
  return random.pick([
    leaf([], `resource.owner == '${owner}'`, (view) => view.owner === owner),
    leaf([], `resource.type == 'run'`, (view) => view.type === 'run'),
    leaf([], `resource.path.startsWith('/runs')`, (view) => view.path.startsWith('/runs')),
    leaf([], `action in ['read', 'infer']`, (view) => view.action === 'read' || view.action === 'infer'),
  ]);
};
const level: Atom = (random) => {
  const least = random.below(4);
  return random.chance(70)
    ? leaf([], `attributes.level >= ${String(least)}`, ({ attributes: { level: given } }) =>
        typeof given === 'number' ? given >= least : 'error',
      )
    : leaf([], 'has(attributes.level)', (view) => 'level' in view.attributes);
};
const context: Atom = (random) => {
  const region = random.pick(['eu', 'us']);
  return random.pick([
    leaf([], `context.region == '${region}'`, ({ context: { region: given } }) =>
      given === undefined ? 'error' : given === region,
    ),
    leaf([], 'has(context.region)', (view) => 'region' in view.context),
    leaf([], `context.tags.exists(t, t == '${region}')`, ({ context: { tags } }) =>
      Array.isArray(tags) ? tags.includes(region) : 'error',
    ),
  ]);
};
const tier: Atom = (random) => {
  const name = random.pick(['gold', 'tin']);
  return random.chance(70)
    ? leaf([], `resource.attributes.tier == '${name}'`, ({ resourceAttributes: { tier: given } }) =>
        given === undefined ? 'error' : given === name,
      )
    : leaf([], 'has(resource.attributes.tier)', (view) => 'tier' in view.resourceAttributes);
};

const atomsWithoutRoles: readonly Atom[] = [org, who, relation, place, level, level, context, context, tier, tier];
const atoms: readonly Atom[] = [...atomsWithoutRoles, role, role, role, role];

export function randomExpression(random: Random, depth: number, withRoles: boolean): Expression {
  if (depth === 0 || random.chance(40)) return random.pick(withRoles ? atoms : atomsWithoutRoles)(random);
  const a = randomExpression(random, depth - 1, withRoles);
  const b = randomExpression(random, depth - 1, withRoles);
  const names = [...a.names, ...b.names];
  return random.pick([
    () => leaf(names, `(${a.cel} && ${b.cel})`, (view) => both(a.truth(view), b.truth(view))),
    () => leaf(names, `(${a.cel} || ${b.cel})`, (view) => either(a.truth(view), b.truth(view))),
    () => leaf(a.names, `!(${a.cel})`, (view) => opposite(a.truth(view))),
    () =>
      leaf(names, `(${a.cel} ? ${b.cel} : !(${b.cel}))`, (view) => {
        const condition = a.truth(view);
        if (condition === 'error') return 'error';
        return condition ? b.truth(view) : opposite(b.truth(view));
      }),
  ])();
}

function both(a: Truth, b: Truth): Truth {
  if (a === false || b === false) return false;
  return a === 'error' || b === 'error' ? 'error' : true;
}

function either(a: Truth, b: Truth): Truth {
  if (a === true || b === true) return true;
  return a === 'error' || b === 'error' ? 'error' : false;
}

function opposite(a: Truth): Truth {
  return a === 'error' ? 'error' : !a;
}
