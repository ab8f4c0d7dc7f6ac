/** A JSON Schema as it is checked: every keyword read, every reference resolved. Recursive where the schema is. */

export type TypeName = 'null' | 'boolean' | 'integer' | 'number' | 'string' | 'array' | 'object';

export interface Choices {
  readonly values: readonly unknown[];
  /** The same, as canonical texts. */
  readonly texts: ReadonlySet<string>;
}

export interface Rules {
  /** The schema `false`. */
  never?: true;
  types?: ReadonlySet<TypeName>;
  /** `enum`, and `const` as the only choice. */
  choices?: Choices;

  multipleOf?: number;
  minimum?: number;
  exclusiveMinimum?: number;
  maximum?: number;
  exclusiveMaximum?: number;

  /** Characters, not UTF-16 units. */
  minLength?: number;
  maxLength?: number;
  pattern?: RegExp;

  minItems?: number;
  maxItems?: number;
  uniqueItems?: true;
  prefixItems?: readonly Rules[];
  items?: Rules;
  contains?: Rules;
  minContains?: number;
  maxContains?: number;

  minProperties?: number;
  maxProperties?: number;
  required?: readonly string[];
  properties?: ReadonlyMap<string, Rules>;
  patternProperties?: readonly (readonly [RegExp, Rules])[];
  additionalProperties?: Rules;
  propertyNames?: Rules;
  dependentRequired?: ReadonlyMap<string, readonly string[]>;
  dependentSchemas?: ReadonlyMap<string, Rules>;

  /** `allOf`, and what `$ref` points at. */
  allOf?: readonly Rules[];
  anyOf?: readonly Rules[];
  oneOf?: readonly Rules[];
  not?: Rules;
  if?: Rules;
  then?: Rules;
  else?: Rules;
}
