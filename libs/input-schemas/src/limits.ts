/** What protects the services that keep and apply strangers' schemas; each is part of the contract with agents. */
export const inputSchemaLimits = {
  /** UTF-8 bytes of one schema's JSON. Contract: registry.proto. */
  bytes: 32 * 1024,
  /** Subschemas in subschemas. */
  depth: 64,
  /** Characters of one `pattern`. */
  patternCharacters: 128,
  /** Problems of a schema told at once. */
  problems: 20,
  /** Problems of an input told at once. */
  issues: 20,
  /** Subschemas in subschemas and values in values at once, while an input is checked. */
  nesting: 1_000,
} as const;
