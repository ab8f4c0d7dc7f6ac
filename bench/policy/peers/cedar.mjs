/** Cedar's own WebAssembly build, in this process: the policies parsed once, one decision after the other. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { installNode } from './install.mjs';

const VERSION = '4.13.0';

/** Answers the module; rejects where it cannot be had. */
export async function install() {
  const folder = await installNode('cedar', { '@cedar-policy/cedar-wasm': VERSION });
  return createRequire(join(folder, 'package.json'))('@cedar-policy/cedar-wasm/nodejs');
}

const conditions = {
  "role == 'operator'": 'principal in Role::"operator"',
  "'operator' in roles": 'principal in Role::"operator"',
  "attributes.level >= 2 && context.region == 'eu'": 'principal.level >= 2 && context.region == "eu"',
  "context.region == 'us'": 'context.region == "us"',
};

function policyOf({ policy, permissions, resources: [resource], effect = 'allow' }) {
  const action = permissions.includes('*')
    ? 'action'
    : `action in [${permissions.map((name) => `Action::"${name}"`).join(', ')}]`;
  const folder = /^(.*)\/\*+$/.exec(resource)?.[1];
  const place = folder === undefined ? `resource == Path::"${resource}"` : `resource in Path::"${folder}"`;
  const when = policy === undefined ? '' : ` when { ${conditions[policy]} }`;
  return `${effect === 'allow' ? 'permit' : 'forbid'}(principal, ${action}, ${place})${when};`;
}

/** One decision of these sets' policies per call; throws when the answer is not to allow. */
export function decider(cedar, sets, requestOf) {
  const texts = sets.flatMap(({ policies }) => policies.map(policyOf));
  const staticPolicies = Object.fromEntries(texts.map((text, i) => [`p${i}`, text]));
  const parsed = cedar.preparsePolicySet('bench', { staticPolicies });
  if (parsed.type !== 'success') throw new Error(JSON.stringify(parsed.errors).slice(0, 300));
  return () => {
    const { subject, action, resource, context } = requestOf();
    const path = `/models/${resource.id}`;
    const uid = (type, id) => ({ type, id });
    const role = uid('Role', 'operator');
    const answer = cedar.statefulIsAuthorized({
      principal: uid('User', subject.sub),
      action: uid('Action', action),
      resource: uid('Path', path),
      context,
      preparsedPolicySetId: 'bench',
      entities: [
        { uid: uid('User', subject.sub), attrs: subject.attributes, parents: [role] },
        { uid: uid('Path', path), attrs: {}, parents: [uid('Path', path.slice(0, path.lastIndexOf('/')))] },
      ],
    });
    if (answer.response?.decision !== 'allow')
      throw new Error(`Cedar denies what it must allow: ${JSON.stringify(answer).slice(0, 300)}`);
  };
}
