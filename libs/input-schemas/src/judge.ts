/**
 * Holds a value against rules, and says what is wrong where. Nothing is said of a value before it is certain: parts that are
 * not known yet make an answer `unknown`, never `invalid`, unless no value in their place could help. Steps are counted.
 */
import { judgeList } from './judge-list.js';
import { judgeObject } from './judge-object.js';
import { canonical } from './canonical.js';
import { choicesInWords, typesInWords, valueInWords } from './describe.js';
import type { Findings } from './findings.js';
import { inputSchemaLimits } from './limits.js';
import { judgeNumber, judgeText } from './judge-scalar.js';
import type { Rules, TypeName } from './rules.js';
import { both, of, unknownText, unknownValue, within, type Verdict } from './verdict.js';

/** The check would take more than it may. */
export class TooCostly extends Error {
  override readonly name = 'TooCostly';
}

export class Judge {
  readonly #maxSteps: number;
  #steps = 0;
  #nesting = 0;

  constructor(maxSteps: number) {
    this.#maxSteps = maxSteps;
  }

  get steps(): number {
    return this.#steps;
  }

  spend(steps: number): void {
    this.#steps += steps;
    if (this.#steps > this.#maxSteps) throw new TooCostly();
  }

  /** Throws TooCostly. */
  judge(rules: Rules, value: unknown, findings: Findings): Verdict {
    this.spend(1);
    if (rules.never) {
      findings.add('unknown_field', 'is not allowed here');
      return 'invalid';
    }
    if (value === unknownValue) return saysNothing(rules) ? 'valid' : 'unknown';
    if ((this.#nesting += 1) > inputSchemaLimits.nesting) throw new TooCostly();
    let verdict = both(judgeType(rules, value, findings), this.#judgeChoices(rules, value, findings));
    // What is of another kind altogether is not looked into.
    if (verdict !== 'invalid') {
      verdict = both(verdict, this.#judgeContent(rules, value, findings));
      verdict = both(verdict, this.#judgeTogether(rules, value, findings));
    }
    this.#nesting -= 1;
    return verdict;
  }

  #judgeContent(rules: Rules, value: unknown, findings: Findings): Verdict {
    if (typeof value === 'number') return judgeNumber(rules, value, findings);
    if (typeof value === 'string' || value === unknownText) return judgeText(this, { rules, value, findings });
    if (Array.isArray(value)) return judgeList(this, { rules, value, findings });
    if (typeof value === 'object' && value !== null)
      return judgeObject(this, { rules, value: value as Readonly<Record<string, unknown>>, findings });
    return 'valid';
  }

  #judgeChoices({ choices }: Rules, value: unknown, findings: Findings): Verdict {
    if (choices === undefined) return 'valid';
    const text = canonical(value, (steps) => this.spend(steps));
    const verdict = text === undefined ? couldBe(choices.values, value) : of(choices.texts.has(text));
    if (verdict !== 'invalid') return verdict;
    const words = choicesInWords(choices.values);
    const expected = choices.values.length === 1 ? words : `one of ${words}`;
    findings.add('invalid_choice', `must be ${expected}, is ${valueInWords(value)}`);
    return 'invalid';
  }

  /** What several schemas say of the same value. */
  #judgeTogether(rules: Rules, value: unknown, findings: Findings): Verdict {
    let verdict: Verdict = 'valid';
    for (const each of rules.allOf ?? []) verdict = both(verdict, this.judge(each, value, findings));
    if (rules.anyOf) verdict = both(verdict, this.#judgeSome(rules.anyOf, { value, findings, max: Infinity }));
    if (rules.oneOf) verdict = both(verdict, this.#judgeSome(rules.oneOf, { value, findings, max: 1 }));
    if (rules.not) verdict = both(verdict, this.#judgeNot(rules.not, value, findings));
    if (rules.if) verdict = both(verdict, this.#judgeIf(rules, value, findings));
    return verdict;
  }

  #judgeSome(
    alternatives: readonly Rules[],
    { value, findings, max }: { readonly value: unknown; readonly findings: Findings; readonly max: number },
  ): Verdict {
    const tried = alternatives.map((rules) => {
      const aside = findings.aside();
      return { verdict: this.judge(rules, value, aside), issues: aside.issues };
    });
    const count = (verdict: Verdict): number => tried.filter((each) => each.verdict === verdict).length;
    const counts = { valid: count('valid'), unknown: count('unknown') };
    const verdict = within(counts, 1, max);
    if (verdict !== 'invalid') return verdict;
    if (counts.valid > max) {
      findings.add('invalid_input', `matches ${counts.valid} alternatives, must match exactly one`);
      return verdict;
    }
    const said = tried.map(({ issues }) => firstOf(issues, findings.here)).filter((each) => each !== '');
    findings.add(
      'invalid_input',
      `must match one of ${tried.length} alternatives: ${[...new Set(said)].slice(0, 4).join('; or ')}`,
    );
    return verdict;
  }

  #judgeNot(rules: Rules, value: unknown, findings: Findings): Verdict {
    const verdict = this.judge(rules, value, findings.aside());
    if (verdict === 'invalid') return 'valid';
    if (verdict === 'valid')
      findings.add('invalid_input', `must not be what the schema excludes, is ${valueInWords(value)}`);
    return verdict === 'valid' ? 'invalid' : 'unknown';
  }

  #judgeIf({ if: condition = {}, then: yes = {}, else: no = {} }: Rules, value: unknown, findings: Findings): Verdict {
    const holds = this.judge(condition, value, findings.aside());
    if (holds === 'valid') return this.judge(yes, value, findings);
    if (holds === 'invalid') return this.judge(no, value, findings);
    const [aside, otherwise] = [findings.aside(), this.judge(no, value, findings.aside())];
    const verdict = this.judge(yes, value, aside);
    if (verdict === otherwise && verdict === 'invalid') findings.take(aside.issues);
    return verdict === otherwise ? verdict : 'unknown';
  }
}

const saysNothing = (rules: Rules): boolean => Object.keys(rules).length === 0;

function judgeType({ types }: Rules, value: unknown, findings: Findings): Verdict {
  if (types === undefined || namesOf(value).some((name) => types.has(name))) return 'valid';
  findings.add('invalid_type', `must be ${typesInWords(types)}, is ${valueInWords(value)}`);
  return 'invalid';
}

function namesOf(value: unknown): readonly TypeName[] {
  if (value === null) return ['null'];
  if (Array.isArray(value)) return ['array'];
  switch (typeof value) {
    case 'number':
      return Number.isInteger(value) ? ['integer', 'number'] : ['number'];
    case 'boolean':
      return ['boolean'];
    case 'object':
      return ['object'];
    default:
      return ['string'];
  }
}

/** Whether a value that is partly unknown may still be one of these: of the same kind is all that is looked at. */
function couldBe(choices: readonly unknown[], value: unknown): Verdict {
  const [kind] = namesOf(value);
  return choices.some((choice) => namesOf(choice)[0] === kind) ? 'unknown' : 'invalid';
}

function firstOf(issues: Findings['issues'], here: string): string {
  const [issue] = issues;
  if (!issue) return '';
  const where = issue.path.slice(here.length);
  return where === '' ? issue.message : `${where.replace(/^\./, '')} ${issue.message}`;
}
