/**
 * Reads untyped JSON into typed values and keeps every complaint with its path. A reading method answers a usable value
 * even where it complained, so that one mistake does not hide the next; the value is never used when there are issues.
 */
import { CogmeshError, type Issue } from '@cogmesh/errors';
import { limits } from './limits.js';

interface TextRule {
  readonly path: string;
  readonly pattern?: RegExp;
  readonly maxChars?: number;
}

interface ListRule {
  readonly path: string;
  readonly max: number;
  /** Default 0, of texts 1. */
  readonly min?: number;
}

interface TextsRule extends ListRule, TextRule {
  readonly check?: (text: string, path: string) => void;
}

export class DocumentReader {
  readonly #issues: Issue[] = [];
  #more = 0;

  issue(path: string, code: string, message: string): void {
    if (this.#issues.length < limits.issues) this.#issues.push({ path, code, message });
    else this.#more++;
  }

  throwIfBad(): void {
    const [first] = this.#issues;
    if (first === undefined) return;
    const count = this.#issues.length + this.#more;
    const summary = count === 1 ? 'one problem' : `${String(count)} problems`;
    const place = first.path === '' ? '' : `${first.path}: `;
    throw new CogmeshError('invalid_policy', `the policy set has ${summary}; ${place}${first.message}`, {
      issues: this.#issues,
      ...(this.#more > 0 ? { issuesNotListed: this.#more } : {}),
    });
  }

  object(json: unknown, path: string, known: readonly string[]): Readonly<Record<string, unknown>> {
    if (typeof json !== 'object' || json === null || Array.isArray(json)) {
      this.issue(path, 'wrong_type', 'must be an object');
      return {};
    }
    for (const field of Object.keys(json))
      if (!known.includes(field))
        this.issue(
          path === '' ? field : `${path}.${field}`,
          'unknown_field',
          `unknown field; known are ${known.join(', ')}`,
        );
    return json as Record<string, unknown>;
  }

  entries(json: unknown, { path, max }: ListRule): [string, unknown][] {
    if (json === undefined) return [];
    if (typeof json !== 'object' || json === null || Array.isArray(json)) {
      this.issue(path, 'wrong_type', 'must be an object');
      return [];
    }
    const entries = Object.entries(json);
    if (entries.length > max)
      this.issue(path, 'too_many', `has ${String(entries.length)} entries, at most ${String(max)}`);
    return entries.slice(0, max);
  }

  list(json: unknown, { path, max, min = 0 }: ListRule): unknown[] {
    if (!Array.isArray(json)) {
      this.issue(path, 'wrong_type', json === undefined ? 'is missing' : 'must be a list');
      return [];
    }
    if (json.length < min) this.issue(path, 'empty', `must have at least ${String(min)} entry`);
    if (json.length > max) this.issue(path, 'too_many', `has ${String(json.length)} entries, at most ${String(max)}`);
    return json.slice(0, max);
  }

  texts(json: unknown, rule: TextsRule): string[] {
    const texts: string[] = [];
    this.list(json, { min: 1, ...rule }).forEach((item, i) => {
      const path = `${rule.path}[${String(i)}]`;
      const text = this.optionalText(item ?? null, { ...rule, path });
      if (text === undefined) return;
      rule.check?.(text, path);
      texts.push(text);
    });
    return texts;
  }

  /** Complains about every value of `field` that an earlier place has already. */
  unique(places: readonly { readonly value: string; readonly path: string }[], field: string): void {
    const seen = new Map<string, string>();
    for (const { value, path } of places) {
      const first = seen.get(value);
      if (first === undefined) seen.set(value, path);
      else this.issue(`${path}.${field}`, `duplicate_${field}`, `"${value}" is already the ${field} of ${first}`);
    }
  }

  /** A JSON object with free members, within the limits of what a set may carry. */
  members(json: unknown, path: string): Readonly<Record<string, unknown>> {
    const entries = this.entries(json, { path, max: limits.members });
    const members = Object.fromEntries(entries);
    const chars = JSON.stringify(members).length;
    if (chars > limits.membersChars)
      this.issue(path, 'too_long', `has ${String(chars)} characters as JSON, at most ${String(limits.membersChars)}`);
    return members;
  }

  optionalText(json: unknown, { path, pattern, maxChars }: TextRule): string | undefined {
    if (json === undefined) return undefined;
    if (typeof json !== 'string') {
      this.issue(path, 'wrong_type', 'must be a text');
      return undefined;
    }
    if (maxChars !== undefined && json.length > maxChars) {
      this.issue(path, 'too_long', `has ${String(json.length)} characters, at most ${String(maxChars)}`);
      return undefined;
    }
    if (pattern !== undefined && !pattern.test(json))
      this.issue(path, 'invalid_name', `${JSON.stringify(json.slice(0, 80))} does not match ${pattern.source}`);
    return json;
  }
}
