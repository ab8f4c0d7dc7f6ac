/**
 * References to what a task will have answered, written as if it were there: `extract.output.pages[0].text` stands for
 * `${{ tasks.extract.output.pages[0].text }}` wherever it is put into an input, a `when` or a `forEach`.
 */

declare const valueType: unique symbol;

/** Any reference, whatever it refers to. */
export interface AnyReference {
  /** The expression, `${{ … }}`. */
  toJSON(): string;
  toString(): string;
}

/** What a reference can be looked into for. Of what nobody described, anything. */
type Fields<Value> = unknown extends Value
  ? Readonly<Record<string, any>> // eslint-disable-line @typescript-eslint/no-explicit-any
  : Value extends readonly (infer Item)[]
    ? { readonly [index: number]: Reference<Item> }
    : Value extends object
      ? { readonly [Field in keyof Value]-?: Reference<Value[Field]> }
      : unknown;

/** Stands in a document for a value of the type that only the run knows. */
export type Reference<Value> = AnyReference & Fields<Value> & { readonly [valueType]?: Value };

const identifier = /^[A-Za-z_][A-Za-z0-9_]*$/;
const position = /^(?:0|[1-9]\d*)$/;
const sources = new WeakMap<object, string>();

/** A reference to the expression, which can be looked into further. */
export function refer<Value>(source: string): Reference<Value> {
  const text = () => `\${{ ${source} }}`;
  const proxy = new Proxy(text, {
    get: (_, field) => {
      if (field === 'toJSON' || field === 'toString' || field === Symbol.toPrimitive) return text;
      return typeof field === 'symbol' ? undefined : refer(`${source}${step(field)}`);
    },
    set: () => false,
  });
  sources.set(proxy, source);
  return proxy as unknown as Reference<Value>;
}

function step(field: string): string {
  if (position.test(field)) return `[${field}]`;
  return identifier.test(field) ? `.${field}` : `[${JSON.stringify(field)}]`;
}

/** The expression without its braces; undefined for what is no reference. */
export function sourceOf(value: unknown): string | undefined {
  return typeof value === 'function' ? sources.get(value) : undefined;
}
