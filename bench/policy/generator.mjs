/**
 * Policies of 1,000 organisations in any number, and requests about them, the same on every machine. Policies come in
 * groups of three that cover the same model, by an exact path, by everything below a folder, and by a folder for any action:
 * so each request has three candidates. Half of the policies have a condition. What does not fill a group covers nothing
 * that is asked for.
 */
import { DecisionEngine, parsePolicySet } from '@cogmesh/policy-core';

export const organisations = 1_000;
export const sizes = [10, 1_000, 10_000, 100_000];

/** Numbers from a seed, each below `end`. */
export function sequence(seed) {
  let state = seed >>> 0;
  return (end) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * end);
  };
}

const conditions = [
  ["role == 'operator'", "attributes.level >= 2 && context.region == 'eu'", undefined],
  [undefined, "'operator' in roles", undefined],
];

function groupOf(organisation, group) {
  const folder = `/models/${organisation}/m${group}`;
  const [exact, below, any] = conditions[group % 2];
  const denies = group % 10 === 9;
  return [
    { policy: exact, permissions: ['infer'], resources: [`${folder}/large`] },
    denies
      ? { policy: "context.region == 'us'", permissions: ['infer', 'read'], resources: [`${folder}/*`], effect: 'deny' }
      : { policy: below, permissions: ['infer', 'read'], resources: [`${folder}/*`] },
    { policy: any, permissions: ['*'], resources: [`${folder}/**`] },
  ];
}

export function setOf(name, groups, rest) {
  const policies = [
    ...Array.from({ length: groups }, (_, group) => groupOf(name, group)).flat(),
    ...Array.from({ length: rest }, (_, i) => ({ permissions: ['read'], resources: [`/blobs/rest-${i}`] })),
  ].map(({ policy, ...others }) => (policy === undefined ? others : { policy, ...others }));
  return { organisation: name, roles: { operator: { inherits: ['viewer'] }, viewer: {} }, policies };
}

const nameOf = (i) => `organisation-${i}`;

/** An engine with `total` policies, and where its groups are: `[organisation, groups]` for those that have any. */
export function worldOf(total) {
  const engine = new DecisionEngine();
  const holders = Math.min(organisations, Math.max(1, Math.floor(total / 3)));
  const asked = [];
  for (let i = 0; i < organisations; i++) {
    const policies = i < holders ? Math.floor(total / holders) + (i < total % holders ? 1 : 0) : 0;
    const organisation = nameOf(i);
    const groups = Math.floor(policies / 3);
    const document = parsePolicySet(setOf(organisation, groups, policies % 3));
    engine.replace({ organisation, epoch: 1, document, grants: [] });
    if (groups > 0) asked.push([organisation, groups]);
  }
  return { engine, asked };
}

/** One fresh request, as it comes off the wire. */
export function requestOf([organisation, groups], below) {
  return {
    subject: {
      issuer: `https://login.${organisation}.example`,
      sub: `user-${below(100)}`,
      organisation,
      roles: ['operator'],
      attributes: { level: 3, team: 'vision' },
    },
    action: 'infer',
    resource: { type: 'model', id: `${organisation}/m${below(groups)}/large` },
    context: { region: 'eu' },
    nowMs: 1_800_000_000_000,
  };
}
