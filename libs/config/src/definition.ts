/**
 * Configuration as data: each setting names its environment variable, its schema with the default, and a sentence of
 * documentation. `docs/configuration.md` is generated from these definitions, so the sentence is written for a person.
 */
import type { z } from 'zod';

export interface Setting<Schema extends z.ZodType = z.ZodType> {
  /** `COGMESH_…`. */
  readonly variable: string;
  /** Parses the variable's text; undefined when it is unset. Carries the default. */
  readonly schema: Schema;
  /** What it does, unit included, and when to change it. */
  readonly description: string;
}

export type Settings = Readonly<Record<string, Setting>>;

export interface ConfigDefinition<S extends Settings = Settings> {
  /** Heading in docs/configuration.md. */
  readonly section: string;
  readonly settings: S;
}

/** The frozen, typed object a definition loads to. */
export type ConfigOf<D> =
  D extends ConfigDefinition<infer S> ? { readonly [K in keyof S]: z.output<S[K]['schema']> } : never;

export function setting<Schema extends z.ZodType>(
  variable: string,
  schema: Schema,
  description: string,
): Setting<Schema> {
  return { variable, schema, description };
}

export function defineConfig<const S extends Settings>(section: string, settings: S): ConfigDefinition<S> {
  return { section, settings };
}
