import { canonical } from './canonical.js';
import type { Findings } from './findings.js';
import type { Judge } from './judge.js';
import type { Rules } from './rules.js';
import { both, within, type Verdict } from './verdict.js';

interface ListAt {
  readonly rules: Rules;
  readonly value: readonly unknown[];
  readonly findings: Findings;
}

export function judgeList(judge: Judge, at: ListAt): Verdict {
  let verdict = judgeSize(at);
  verdict = both(verdict, judgeElements(judge, at));
  if (at.rules.contains) verdict = both(verdict, judgeContains(judge, at, at.rules.contains));
  if (at.rules.uniqueItems) verdict = both(verdict, judgeUnique(judge, at));
  return verdict;
}

function judgeSize({ rules: { minItems = 0, maxItems = Infinity }, value: { length }, findings }: ListAt): Verdict {
  if (length < minItems) findings.add('out_of_range', `must have at least ${minItems} entries, has ${length}`);
  if (length > maxItems) findings.add('out_of_range', `must have at most ${maxItems} entries, has ${length}`);
  return length < minItems || length > maxItems ? 'invalid' : 'valid';
}

function judgeElements(judge: Judge, { rules: { prefixItems = [], items }, value, findings }: ListAt): Verdict {
  let verdict: Verdict = 'valid';
  const end = items === undefined ? Math.min(prefixItems.length, value.length) : value.length;
  for (let index = 0; index < end; index += 1) {
    const rules = prefixItems[index] ?? items;
    if (rules === undefined) continue;
    findings.enter(index);
    verdict = both(verdict, judge.judge(rules, value[index], findings));
    findings.leave();
  }
  return verdict;
}

function judgeContains(judge: Judge, { rules, value, findings }: ListAt, contains: Rules): Verdict {
  const { minContains = 1, maxContains = Infinity } = rules;
  const counts = { valid: 0, unknown: 0, invalid: 0 };
  for (const each of value) counts[judge.judge(contains, each, findings.aside())] += 1;
  const verdict = within(counts, minContains, maxContains);
  if (verdict === 'invalid') {
    const most = maxContains === minContains ? `exactly ${minContains}` : `${minContains} to ${maxContains}`;
    const bound = maxContains === Infinity ? `at least ${minContains}` : most;
    findings.add('invalid_input', `must contain ${bound} entries of a certain kind, has ${counts.valid}`);
  }
  return verdict;
}

function judgeUnique(judge: Judge, { value, findings }: ListAt): Verdict {
  const seen = new Map<string, number>();
  let isKnown = true;
  for (const [index, each] of value.entries()) {
    const text = canonical(each, (steps) => judge.spend(steps));
    if (text === undefined) {
      isKnown = false;
      continue;
    }
    const earlier = seen.get(text);
    if (earlier !== undefined) {
      findings.add('invalid_input', `must have no repeats; [${index}] is the same as [${earlier}]`);
      return 'invalid';
    }
    seen.set(text, index);
  }
  return isKnown ? 'valid' : 'unknown';
}
