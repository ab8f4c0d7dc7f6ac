/** Rules that never decide anything: they cannot hold, a deny overrules them always, or another rule says the same and more. */
import { compileGlob } from '../glob.js';
import { pathProblem, segmentsOf } from '../canonical-path.js';
import { literalPrefix } from './glob-cover.js';
import { coversRule, type Finding, type LintContext, type LintedRule } from './linted-rule.js';

export function reachFindings({ rules }: LintContext): Finding[] {
  const byPrefix = groupByPrefix(rules);
  return rules.flatMap((rule) => {
    const never = neverReached(rule);
    if (never !== undefined) return [unreachable(rule, never)];
    const wider = widerRules(rule, byPrefix);
    const denial =
      rule.document.effect === 'allow' ? wider.find(({ document }) => document.effect === 'deny') : undefined;
    if (denial !== undefined) return [overruled(rule, denial)];
    const twin = wider.find(({ document }) => document.effect === rule.document.effect);
    return twin === undefined ? [] : [shadowed(rule, twin)];
  });
}

/** Why no request reaches the rule; undefined when one may. */
function neverReached({ document, condition }: LintedRule): string | undefined {
  if (condition.never !== undefined) return condition.never;
  const actions = condition.only.get('action');
  if (actions !== undefined && !document.permissions.includes('*')) {
    if (!actions.some((action) => document.permissions.includes(action)))
      return `its condition asks for the action ${actions.join(' or ')}, which is not in its permissions`;
  }
  const paths = condition.only.get('resource.path');
  const globs = paths === undefined ? [] : document.resources.map(compileGlob);
  const reached = (path: string) =>
    pathProblem(path) === undefined && globs.some((glob) => glob.matches(segmentsOf(path)));
  if (paths !== undefined && !paths.some(reached))
    return `its condition asks for ${paths.join(' or ')}, which is not under its resources`;
  return undefined;
}

const keyOf = (segments: readonly string[]) => segments.join('/');

function groupByPrefix(rules: readonly LintedRule[]): Map<string, LintedRule[]> {
  const groups = new Map<string, LintedRule[]>();
  for (const rule of rules)
    for (const key of new Set(rule.document.resources.map((glob) => keyOf(literalPrefix(glob))))) {
      const group = groups.get(key);
      if (group === undefined) groups.set(key, [rule]);
      else group.push(rule);
    }
  return groups;
}

/**
 * Rules that cover this one. A glob that covers another has a literal prefix of it, so only those are looked at. Of two
 * that cover each other the earlier counts as the wider, so that one of them stays.
 */
function widerRules(rule: LintedRule, byPrefix: ReadonlyMap<string, readonly LintedRule[]>): LintedRule[] {
  const literal = literalPrefix(rule.document.resources[0] ?? '/');
  const near = literal.flatMap((_, i) => byPrefix.get(keyOf(literal.slice(0, i + 1))) ?? []);
  return [...new Set([...(byPrefix.get('') ?? []), ...near])].filter(
    (other) =>
      other !== rule && coversRule(other, rule) && (other.position < rule.position || !coversRule(rule, other)),
  );
}

function unreachable({ document, position }: LintedRule, why: string): Finding {
  return {
    code: 'unreachable',
    severity: 'error',
    policy: document.id,
    position,
    field: 'policy',
    message: `no request ever matches it: ${why}`,
    advice: 'correct the condition, or remove the policy',
  };
}

function overruled({ document, position }: LintedRule, denial: LintedRule): Finding {
  return {
    code: 'unreachable',
    severity: 'error',
    policy: document.id,
    position,
    field: '',
    message: `it never allows anything: "${denial.document.id}" denies all of it, and a denial wins`,
    advice: `narrow "${denial.document.id}", or remove this one`,
  };
}

function shadowed({ document, position }: LintedRule, twin: LintedRule): Finding {
  const verb = document.effect === 'allow' ? 'allows' : 'denies';
  return {
    code: 'shadowed',
    severity: 'warning',
    policy: document.id,
    position,
    field: '',
    message: `"${twin.document.id}" ${verb} all of it already`,
    advice: `remove it, or narrow "${twin.document.id}" if that one is wider than meant`,
  };
}
