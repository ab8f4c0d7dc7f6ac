/**
 * Reads the fields of one JSON object and reports everything wrong with them: wrong type, out of bounds, unknown fields.
 * A field that is absent or wrong reads as undefined; the issue is already in the list.
 */
import type { IssueList } from '../issue-list.js';
import { isJsonObject, jsonTypeOf, type Json } from '../json.js';
import { suggestion } from '../suggest.js';

export class ObjectReader {
  readonly path: string;
  readonly #value: Readonly<Record<string, unknown>>;
  readonly #issues: IssueList;

  constructor(value: Readonly<Record<string, unknown>>, path: string, issues: IssueList) {
    this.#value = value;
    this.path = path;
    this.#issues = issues;
  }

  /** Undefined, with an issue, when `value` is no object. */
  static of(value: unknown, path: string, issues: IssueList): ObjectReader | undefined {
    if (isJsonObject(value)) return new ObjectReader(value, path, issues);
    issues.add(path, 'invalid_type', `must be an object, is ${jsonTypeOf(value)}`);
    return undefined;
  }

  allowOnly(fields: readonly string[]): void {
    for (const field of Object.keys(this.#value)) {
      if (fields.includes(field)) continue;
      this.issue(field, 'unknown_field', `no field "${field}"${suggestion(field, fields)}`);
    }
  }

  issue(field: string, code: string, message: string): void {
    this.#issues.add(this.pathOf(field), code, message);
  }

  pathOf(field: string): string {
    if (this.path === '' || field === '') return this.path + field;
    return field.startsWith('[') ? this.path + field : `${this.path}.${field}`;
  }

  has(field: string): boolean {
    return this.#value[field] !== undefined;
  }

  /** The field as it stands; null when absent. */
  json(field: string): Json {
    return (this.#value[field] ?? null) as Json;
  }

  text(field: string, bounds: { readonly maxLength: number; readonly required?: boolean }): string | undefined {
    const value = this.#value[field];
    if (value === undefined) {
      if (bounds.required) this.issue(field, 'required', `"${field}" is required`);
      return undefined;
    }
    if (typeof value !== 'string') return this.#wrongType(field, 'a string');
    if (value.length > bounds.maxLength) {
      this.issue(field, 'too_long', `is ${value.length} characters, at most ${bounds.maxLength} are allowed`);
      return undefined;
    }
    if (value.includes('\0')) {
      this.issue(field, 'invalid_character', 'contains a NUL character');
      return undefined;
    }
    return value;
  }

  number(
    field: string,
    bounds: { readonly min: number; readonly max: number; readonly integer?: boolean },
  ): number | undefined {
    const value = this.#value[field];
    if (value === undefined) return undefined;
    if (typeof value !== 'number') return this.#wrongType(field, 'a number');
    const whole = bounds.integer ?? true;
    if (value >= bounds.min && value <= bounds.max && (!whole || Number.isInteger(value))) return value;
    const kind = whole ? 'a whole number' : 'a number';
    this.issue(field, 'out_of_range', `must be ${kind} from ${bounds.min} to ${bounds.max}, is ${value}`);
    return undefined;
  }

  /** One of the named texts. */
  choice<T extends string>(field: string, choices: readonly T[]): T | undefined {
    const value = this.text(field, { maxLength: 200 });
    const chosen = choices.find((choice) => choice === value);
    if (value !== undefined && chosen === undefined) {
      const known = choices.map((choice) => `"${choice}"`).join(', ');
      this.issue(field, 'invalid_choice', `"${value}" is none of ${known}${suggestion(value, choices)}`);
    }
    return chosen;
  }

  list(field: string, bounds: { readonly max: number }): readonly unknown[] | undefined {
    const value = this.#value[field];
    if (value === undefined) return undefined;
    if (!Array.isArray(value)) return this.#wrongType(field, 'a list');
    if (value.length <= bounds.max) return value;
    this.issue(field, 'too_many', `has ${value.length} entries, at most ${bounds.max} are allowed`);
    return undefined;
  }

  object(field: string): ObjectReader | undefined {
    const value = this.#value[field];
    return value === undefined ? undefined : ObjectReader.of(value, this.pathOf(field), this.#issues);
  }

  keys(): string[] {
    return Object.keys(this.#value);
  }

  #wrongType(field: string, wanted: string): undefined {
    this.issue(field, 'invalid_type', `must be ${wanted}, is ${jsonTypeOf(this.#value[field])}`);
    return undefined;
  }
}
