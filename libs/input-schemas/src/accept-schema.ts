/**
 * Reads the JSON Schema (2020-12) that an agent announces for an input, or refuses it with every problem at once. What a stranger
 * could use to make others wait is refused: schemas that are fetched from elsewhere, patterns that may be slow, references that
 * turn in a circle without going into the value, and every keyword whose meaning would be guessed. Annotations are dropped.
 */
import { CogmeshError, type Issue } from '@cogmesh/errors';
import { inputSchemaLimits } from './limits.js';
import { readKeyword, type KeywordReader } from './keywords.js';
import type { Rules } from './rules.js';
import { standsStill } from './stands-still.js';

/** Throws `invalid_argument` with one issue per problem; their paths are places in the schema. */
export function acceptSchema(json: string): Rules {
  const bytes = Buffer.byteLength(json);
  if (bytes > inputSchemaLimits.bytes) {
    refuse([problem('', `has ${bytes} bytes, at most ${inputSchemaLimits.bytes} are allowed`)]);
  }
  const reader = new SchemaReader(parsed(json));
  const rules = reader.readRoot();
  if (reader.problems.length > 0) refuse(reader.problems);
  if (standsStill(rules)) refuse([problem('', 'refers to itself without going into the value')]);
  return rules;
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json) as unknown;
  } catch {
    return refuse([problem('', 'is not JSON')]);
  }
}

const problem = (path: string, message: string): Issue => ({ path, code: 'invalid_schema', message });

function refuse(issues: readonly Issue[]): never {
  const [first] = issues;
  const where = first?.path ? `${first.path} ` : '';
  throw new CogmeshError('invalid_argument', `the input schema is refused: ${where}${first?.message}`, { issues });
}

class SchemaReader implements KeywordReader {
  readonly problems: Issue[] = [];
  readonly #root: unknown;
  /** Each place is read once, so that a reference into a schema that is being read finds it. */
  readonly #read = new Map<unknown, Rules>();
  /** What references point at, read when nothing else is being read: a long way round is not deep. */
  readonly #later: { readonly value: object; readonly path: string }[] = [];
  #depth = 0;

  constructor(root: unknown) {
    this.#root = root;
  }

  readRoot(): Rules {
    const rules = this.schema(this.#root, '');
    for (let next = this.#later.pop(); next !== undefined; next = this.#later.pop()) this.#fill(next.value, next.path);
    return rules;
  }

  problem(path: string, message: string): void {
    if (this.problems.length < inputSchemaLimits.problems) this.problems.push(problem(path, message));
  }

  schema(value: unknown, path: string): Rules {
    const known = this.#known(value, path);
    if (known) return known;
    return this.#fill(value as object, path);
  }

  #known(value: unknown, path: string): Rules | undefined {
    if (value === true) return {};
    if (value === false) return { never: true };
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return this.#read.get(value);
    this.problem(path, 'must be a schema: an object, true or false');
    return {};
  }

  #fill(value: object, path: string): Rules {
    const rules = this.#read.get(value) ?? {};
    this.#read.set(value, rules);
    if ((this.#depth += 1) > inputSchemaLimits.depth) {
      this.problem(path, `is nested deeper than ${inputSchemaLimits.depth}`);
    } else {
      for (const [keyword, setting] of Object.entries(value)) {
        readKeyword(this, rules, { keyword, setting, path: path === '' ? keyword : `${path}.${keyword}` });
      }
    }
    this.#depth -= 1;
    return rules;
  }

  /** Only places in this very schema. */
  target(reference: string, path: string): Rules | undefined {
    if (!reference.startsWith('#') || (reference.length > 1 && reference[1] !== '/')) {
      this.problem(path, `must point into this schema ("#/$defs/…"), is "${reference.slice(0, 100)}"`);
      return undefined;
    }
    let value = this.#root;
    for (const step of reference.split('/').slice(1)) value = memberOf(value, unescaped(step));
    if (value !== undefined) return this.#known(value, reference) ?? this.#postpone(value as object, reference);
    this.problem(path, `points at nothing: "${reference.slice(0, 100)}"`);
    return undefined;
  }

  #postpone(value: object, path: string): Rules {
    const rules: Rules = {};
    this.#read.set(value, rules);
    this.#later.push({ value, path });
    return rules;
  }
}

function memberOf(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[key];
}

function unescaped(step: string): string {
  try {
    return decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~');
  } catch {
    return step;
  }
}
