/**
 * Every rule through which another organisation may get in. A grant must cover the request too, so none of this is a hole
 * by itself; but whoever signs the next grant should know what it opens.
 */
import { ownerOf, parseResourcePath } from '../resource-path.js';
import { literalPrefix } from './glob-cover.js';
import { listed, type Finding, type LintContext, type LintedRule } from './linted-rule.js';

type About = Pick<Finding, 'code' | 'severity' | 'field' | 'message' | 'advice'>;

export function organisationFindings(context: LintContext): Finding[] {
  return context.rules.flatMap((rule) => {
    const { document, position } = rule;
    const about = document.effect === 'allow' ? ofAllow(rule, context) : undefined;
    return about === undefined ? [] : [{ policy: document.id, position, ...about }];
  });
}

function ofAllow(rule: LintedRule, context: LintContext): About | undefined {
  if (rule.ownSubjectsOnly || rule.condition.never !== undefined) return undefined;
  if (onlyForeignResources(rule, context)) return undefined;
  const named = rule.condition.only.get('org_id') ?? namedByTopology(rule, context);
  if (named === undefined) return rule.condition.only.has('issuer') ? undefined : openToAll(rule);
  const foreign = named.filter((name) => name !== context.organisation);
  if (foreign.length === 0 || context.organisation === undefined) return undefined;
  return namesPartners(rule, foreign, context);
}

/** `org_id in topology.partners` names the organisations of that list. */
function namedByTopology({ condition }: LintedRule, { set }: LintContext): readonly string[] | undefined {
  const list = (['parents', 'members', 'partners'] as const).find((name) =>
    condition.parts.has(`org_id in topology.${name}`),
  );
  return list === undefined ? undefined : (set.topology?.[list] ?? []);
}

/** What others own is theirs to open; here the rule only says which of our own people may ask. */
function onlyForeignResources({ document }: LintedRule, { organisation }: LintContext): boolean {
  if (organisation === undefined) return false;
  return document.resources.every((glob) => {
    const owner = ownerNamedBy(glob);
    return owner !== undefined && owner !== organisation;
  });
}

function ownerNamedBy(glob: string): string | undefined {
  const literal = literalPrefix(glob);
  return literal.length < 2 ? undefined : ownerOf(parseResourcePath(`/${literal.join('/')}`));
}

function openToAll({ condition }: LintedRule): About {
  const excluded = condition.not.get('org_id') ?? [];
  const all = excluded.length === 0 ? 'any organisation' : `any organisation but ${listed(excluded)}`;
  return {
    code: 'cross-organisation',
    severity: 'warning',
    field: 'policy',
    message: `subjects of ${all} get in as soon as a grant covers the request`,
    advice: "say whose subjects are meant: org_id == '…'",
  };
}

function namesPartners(rule: LintedRule, foreign: readonly string[], { grantees }: LintContext): About {
  const without = grantees === undefined ? [] : foreign.filter((name) => !grantees.has(name));
  if (without.length === foreign.length && grantees !== undefined)
    return {
      code: 'unreachable',
      severity: 'warning',
      field: 'policy',
      message: `it is for ${listed(foreign)}, and no grant of this set is given to them`,
      advice: 'give a grant, or remove the policy',
    };
  const roles = rule.readsRoles ? '' : ' whatever their role';
  return {
    code: 'cross-organisation',
    severity: 'notice',
    field: 'policy',
    message: `lets in ${listed(foreign)}${roles}, as far as a grant covers it: ${what(rule)}`,
    advice: 'nothing, if this is meant',
  };
}

function what({ document }: LintedRule): string {
  const resources = document.resources.slice(0, 3).join(', ') + (document.resources.length > 3 ? ' …' : '');
  return `${document.permissions.join(', ')} on ${resources}`;
}
