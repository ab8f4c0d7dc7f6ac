/**
 * Holds an input against a schema. Parts of the input may not be known yet (`unknownValue`, `unknownText` in their place); then the
 * answer is what is true whatever they turn out to be. A check that would take more steps than it may is given up and answers
 * `unknown`: an input is refused for what it is, never for its size, and nobody makes others wait.
 */
import type { Issue } from '@cogmesh/errors';
import { acceptSchema } from './accept-schema.js';
import { Findings } from './findings.js';
import { Judge, TooCostly } from './judge.js';
import type { Rules } from './rules.js';
import type { Verdict } from './verdict.js';

export interface CheckOptions {
  /** Where the input stands; issues' paths begin with it: `tasks[3].input`. */
  readonly path: string;
  /** Most values that are looked at, times rules they are held against. */
  readonly maxSteps: number;
}

export interface Checked {
  readonly verdict: Verdict;
  /** What was expected where; of an invalid input at least one. */
  readonly issues: readonly Issue[];
  /** What it took; at most `maxSteps`. */
  readonly steps: number;
}

export class InputSchema {
  readonly #rules: Rules;

  /** Throws `invalid_argument` for a schema that is refused. */
  constructor(json: string) {
    this.#rules = acceptSchema(json);
  }

  check(input: unknown, { path, maxSteps }: CheckOptions): Checked {
    const findings = new Findings(path);
    const judge = new Judge(maxSteps);
    try {
      const verdict = judge.judge(this.#rules, input, findings);
      return { verdict, issues: verdict === 'invalid' ? findings.issues : [], steps: judge.steps };
    } catch (error) {
      if (error instanceof TooCostly) return { verdict: 'unknown', issues: [], steps: maxSteps };
      throw error;
    }
  }
}
