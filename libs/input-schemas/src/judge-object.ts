import { choicesInWords, expectationInWords } from './describe.js';
import type { Findings } from './findings.js';
import type { Judge } from './judge.js';
import type { Rules } from './rules.js';
import { both, type Verdict } from './verdict.js';

interface ObjectAt {
  readonly rules: Rules;
  readonly value: Readonly<Record<string, unknown>>;
  readonly findings: Findings;
}

/** Names are always known, whatever their values turn out to be. */
export function judgeObject(judge: Judge, at: ObjectAt): Verdict {
  let verdict = both(judgeSize(at), judgeRequired(at));
  verdict = both(verdict, judgeMembers(judge, at));
  verdict = both(verdict, judgeNames(judge, at));
  return both(verdict, judgeDependents(judge, at));
}

function judgeSize({ rules: { minProperties, maxProperties }, value, findings }: ObjectAt): Verdict {
  if (minProperties === undefined && maxProperties === undefined) return 'valid';
  const { length } = Object.keys(value);
  const isSmall = minProperties !== undefined && length < minProperties;
  const isLarge = maxProperties !== undefined && length > maxProperties;
  if (isSmall) findings.add('out_of_range', `must have at least ${minProperties} fields, has ${length}`);
  if (isLarge) findings.add('out_of_range', `must have at most ${maxProperties} fields, has ${length}`);
  return isSmall || isLarge ? 'invalid' : 'valid';
}

function judgeRequired(at: ObjectAt): Verdict {
  let verdict: Verdict = 'valid';
  for (const name of at.rules.required ?? []) if (isMissing(at, name, '')) verdict = 'invalid';
  for (const [given, names] of at.rules.dependentRequired ?? []) {
    if (!Object.hasOwn(at.value, given)) continue;
    for (const name of names) if (isMissing(at, name, ` beside "${given}"`)) verdict = 'invalid';
  }
  return verdict;
}

function isMissing({ rules, value, findings }: ObjectAt, name: string, why: string): boolean {
  if (Object.hasOwn(value, name)) return false;
  const property = rules.properties?.get(name);
  const expected = property ? expectationInWords(property) : '';
  findings.add('required', `is required${why}${expected === '' ? '' : `: ${expected}`}`, name);
  return true;
}

function judgeMembers(judge: Judge, at: ObjectAt): Verdict {
  const { properties, patternProperties = [], additionalProperties } = at.rules;
  if (!properties && !additionalProperties && patternProperties.length === 0) return 'valid';
  let verdict: Verdict = 'valid';
  for (const [name, member] of Object.entries(at.value)) {
    judge.spend(1 + patternProperties.length);
    const applied = rulesFor(at.rules, name);
    if (applied.length === 0 && additionalProperties) {
      if (additionalProperties.never) at.findings.add('unknown_field', unknownField(at.rules), name);
      if (additionalProperties.never) verdict = 'invalid';
      else applied.push(additionalProperties);
    }
    at.findings.enter(name);
    for (const each of applied) verdict = both(verdict, judge.judge(each, member, at.findings));
    at.findings.leave();
  }
  return verdict;
}

function rulesFor({ properties, patternProperties = [] }: Rules, name: string): Rules[] {
  const own = properties?.get(name);
  const matching = patternProperties.filter(([pattern]) => pattern.test(name)).map(([, each]) => each);
  return own ? [own, ...matching] : matching;
}

function unknownField({ properties }: Rules): string {
  const names = [...(properties?.keys() ?? [])];
  return names.length === 0 ? 'is not known here' : `is not known here; there are ${choicesInWords(names)}`;
}

function judgeNames(judge: Judge, { rules: { propertyNames }, value, findings }: ObjectAt): Verdict {
  if (!propertyNames) return 'valid';
  let verdict: Verdict = 'valid';
  for (const name of Object.keys(value)) {
    const aside = findings.aside();
    if (judge.judge(propertyNames, name, aside) !== 'invalid') continue;
    verdict = 'invalid';
    findings.add('unknown_field', `has a name that is not allowed: it ${aside.issues[0]?.message ?? ''}`, name);
  }
  return verdict;
}

function judgeDependents(judge: Judge, { rules: { dependentSchemas }, value, findings }: ObjectAt): Verdict {
  let verdict: Verdict = 'valid';
  for (const [given, rules] of dependentSchemas ?? []) {
    if (Object.hasOwn(value, given)) verdict = both(verdict, judge.judge(rules, value, findings));
  }
  return verdict;
}
