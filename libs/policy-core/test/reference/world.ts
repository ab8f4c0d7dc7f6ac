/** Random organisations with everything a policy set may say, and random requests that often meet it. */
import type { AccessRequest, Effect, PartnerGrant } from '../../src/index.js';
import { actionNames, issuers, orgs, randomExpression, roleNames, subs, type Expression } from './expression.js';
import type { Random } from './random.js';

export interface WorldRule {
  id: string;
  effect: Effect;
  permissions: string[];
  resources: string[];
  when: Expression | undefined;
  obligations: { id: string }[];
}

export interface WorldBinding {
  id: string;
  role: string;
  subjects: { issuer?: string; sub: string }[];
  when: Expression | undefined;
}

export interface WorldOrganisation {
  name: string;
  inherits: Record<string, string[]>;
  rules: WorldRule[];
  bindings: WorldBinding[];
  topology: { parents: string[]; members: string[]; partners: string[] };
  entities: Record<string, { attributes: Record<string, unknown> }>;
  grants: PartnerGrant[];
}

export interface WorldRequest extends AccessRequest {
  /** Undefined when the resource has no canonical name. */
  path: string | undefined;
}

const globs = [
  '/**',
  '/runs',
  '/runs/*',
  '/runs/**',
  '/runs/*/log',
  '/runs/1/x*z',
  '/models/acme/*',
  '/models/acme/oc*',
  '/models/*/ocr',
  '/models/acme/ocr',
  '/models/globex/**',
  '/models/initech/*',
  '/api/v*/reports/*',
];

const places: { type: string; id: string; path: string | undefined }[] = [
  { type: 'run', id: '', path: '/runs' },
  { type: 'run', id: '1', path: '/runs/1' },
  { type: 'run', id: '1/xyz', path: '/runs/1/xyz' },
  { type: 'run', id: '2/log', path: '/runs/2/log' },
  { type: 'model', id: 'acme/ocr', path: '/models/acme/ocr' },
  { type: 'model', id: 'acme/vad', path: '/models/acme/vad' },
  { type: 'model', id: 'globex/ocr', path: '/models/globex/ocr' },
  { type: 'model', id: 'initech/ocr', path: '/models/initech/ocr' },
  { type: 'path', id: '/api/v1/reports/7', path: '/api/v1/reports/7' },
  { type: 'path', id: '/api/v1/reports/../7', path: undefined },
  { type: 'model', id: 'nobody/ocr', path: '/models/nobody/ocr' },
];

export function randomWorld(random: Random): WorldOrganisation[] {
  return orgs.map((name) => randomOrganisation(random, name));
}

function randomOrganisation(random: Random, name: string): WorldOrganisation {
  const others = orgs.filter((other) => other !== name);
  const relations = others.map((other) => ({ other, kind: random.pick(['parents', 'members', 'partners', 'none']) }));
  const related = (kind: string) => relations.filter((each) => each.kind === kind).map(({ other }) => other);
  return {
    name,
    inherits: Object.fromEntries(roleNames.map((role, i) => [role, random.some(roleNames.slice(i + 1), 2)])),
    rules: random.list(8, (i) => randomRule(random, i)),
    bindings: random.list(2, (i) => randomBinding(random, i)),
    topology: { parents: related('parents'), members: related('members'), partners: related('partners') },
    entities: Object.fromEntries(
      random
        .some(places, 2)
        .filter(hasPath)
        .map((place) => randomEntity(random, place)),
    ),
    grants: others.flatMap((grantee) => random.list(2, (i) => randomGrant(random, { name, grantee, i }))),
  };
}

function hasPath(place: { path: string | undefined }): boolean {
  return place.path !== undefined;
}

function randomEntity(
  random: Random,
  { type, id }: { type: string; id: string },
): [string, { attributes: Record<string, unknown> }] {
  return [`${type}:${id}`, { attributes: random.chance(70) ? { tier: random.pick(['gold', 'tin']) } : {} }];
}

function randomRule(random: Random, i: number): WorldRule {
  return {
    id: `r${String(i)}`,
    effect: random.chance(70) ? 'allow' : 'deny',
    permissions: random.chance(30) ? ['*'] : random.some(actionNames, 2, 1),
    resources: random.some(globs, 3, 1),
    when: random.chance(75) ? randomExpression(random, 2, true) : undefined,
    obligations: random.list(1, (n) => ({ id: `o${String(i)}${String(n)}` })),
  };
}

function randomBinding(random: Random, i: number): WorldBinding {
  const subjects = random
    .some(subs, 2, 1)
    .map((sub) => (random.chance(50) ? { sub } : { issuer: random.pick(issuers), sub }));
  const when = random.chance(50) ? randomExpression(random, 1, false) : undefined;
  return { id: `b${String(i)}`, role: random.pick(roleNames), subjects, when };
}

function randomGrant(random: Random, about: { name: string; grantee: string; i: number }): PartnerGrant {
  return {
    id: `g-${about.name}-${about.grantee}-${String(about.i)}`,
    grantor: about.name,
    grantee: about.grantee,
    actions: random.chance(50) ? ['*'] : random.some(actionNames, 2, 1),
    resources: random.some(globs, 3, 1),
    expiresAtMs: random.pick([50, 100, 200]),
    ...(random.chance(30) ? { notBeforeMs: random.pick([20, 80]) } : {}),
    ...(random.chance(30) ? { roles: random.some(roleNames, 2, 1) } : {}),
    ...(random.chance(30) ? { attributes: random.some(['level', 'other'], 2) } : {}),
  };
}

export function randomRequest(random: Random): WorldRequest {
  const { path, ...resource } = random.pick(places);
  const tags = random.some(['eu', 'us', 'x'], 2);
  return {
    subject: {
      issuer: random.pick(issuers),
      sub: random.pick(subs),
      organisation: random.chance(98) ? random.pick(orgs) : 'nobody',
      roles: random.some(roleNames, 2),
      attributes: random.pick<Record<string, unknown>>([{}, { level: random.below(4) }, { level: 'high', other: 1 }]),
    },
    action: random.pick(actionNames),
    resource,
    ...(random.chance(50) ? { owner: random.pick(orgs) } : {}),
    ...(random.chance(70)
      ? { context: random.pick<Record<string, unknown>>([{ region: random.pick(['eu', 'us']) }, { tags }, {}]) }
      : {}),
    ...(random.chance(30) ? { resourceAttributes: { tier: random.pick(['gold', 'tin']) } } : {}),
    ...(random.chance(20) ? { informed: { tier: random.pick(['gold', 'tin']) } } : {}),
    nowMs: random.pick([10, 49, 50, 90, 199, 200]),
    path,
  };
}
