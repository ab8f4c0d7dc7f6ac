/** Rules that reach further than a reader expects. */
import { globsCover } from './glob-cover.js';
import type { Finding, LintContext, LintedRule } from './linted-rule.js';

type About = Pick<Finding, 'severity' | 'field' | 'message' | 'advice'>;

export function breadthFindings({ rules }: LintContext): Finding[] {
  return rules.flatMap((rule) => {
    const about = rule.document.effect === 'allow' ? ofAllow(rule) : ofDeny(rule);
    const { document, position } = rule;
    return about.map((one) => ({ code: 'over-broad', policy: document.id, position, ...one }) satisfies Finding);
  });
}

const anyAction = ({ document }: LintedRule) => document.permissions.includes('*');
const anyResource = ({ document }: LintedRule) => globsCover(document.resources, ['/*']);
const unconditional = ({ condition }: LintedRule) => condition.parts.size === 0;

function ofAllow(rule: LintedRule): About[] {
  if (unconditional(rule)) return [forEverybody(rule)];
  const found: About[] = [];
  if (anyAction(rule) && anyResource(rule) && !bindsSubject(rule))
    found.push({
      severity: 'warning',
      field: 'policy',
      message: 'it allows every action on every resource, and its condition names no person and no role',
      advice: 'name the roles or the subjects that are meant',
    });
  if (allButSomeRoles(rule))
    found.push({
      severity: 'warning',
      field: 'policy',
      message: 'it allows everybody who has any other role, roles of the future included',
      advice: "name the roles that are meant: role in ['…']",
    });
  return found;
}

function forEverybody(rule: LintedRule): About {
  const all = anyAction(rule) && anyResource(rule);
  return {
    severity: all ? 'error' : 'warning',
    field: all ? '' : 'policy',
    message: all
      ? 'it allows every action on every resource to everybody, with or without a role'
      : 'it has no condition: it allows this to everybody, with or without a role',
    advice: 'add a condition such as "role == \'operator\'"',
  };
}

function ofDeny(rule: LintedRule): About[] {
  if (unconditional(rule) && anyAction(rule) && anyResource(rule))
    return [
      {
        severity: 'error',
        field: '',
        message: 'it denies everything to everybody; no other policy of the set can have an effect',
        advice: 'add a condition, or narrow its permissions and resources',
      },
    ];
  if (!allButSomeRoles(rule)) return [];
  const exempt = rule.condition.not.get('role') ?? [];
  const instead = exempt.map((role) => `!('${role}' in roles)`).join(' && ');
  return [
    {
      severity: 'warning',
      field: 'policy',
      message: `a subject with ${exempt.join(' or ')} and any second role is denied too: role is tried one by one`,
      advice: `write ${instead} to exempt them`,
    },
  ];
}

/** `role != 'x'` and nothing that says which role instead. */
function allButSomeRoles({ condition }: LintedRule): boolean {
  return condition.not.has('role') && !condition.only.has('role');
}

function bindsSubject({ condition, readsRoles }: LintedRule): boolean {
  return readsRoles || condition.only.has('sub');
}
