import { CogmeshError, type Issue } from '@cogmesh/errors';
import type { ConfigDefinition, ConfigOf, Settings } from './definition.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Reads every setting of the definition, or refuses to start with every problem at once (`invalid_config`). */
export function loadConfig<S extends Settings>(
  definition: ConfigDefinition<S>,
  environment: Environment,
): ConfigOf<ConfigDefinition<S>> {
  const issues: Issue[] = [];
  const values: Record<string, unknown> = {};
  for (const [name, { variable, schema }] of Object.entries(definition.settings)) {
    const text = environment[variable];
    const parsed = schema.safeParse(text === '' ? undefined : text);
    if (parsed.success) values[name] = parsed.data;
    else
      issues.push({
        path: variable,
        code: 'invalid_config',
        message: parsed.error.issues.map((i) => i.message).join('; '),
      });
  }
  if (issues.length > 0) {
    const lines = issues.map((issue) => `  ${issue.path}: ${issue.message}`);
    throw new CogmeshError('invalid_config', `invalid configuration of ${definition.section}:\n${lines.join('\n')}`, {
      issues,
    });
  }
  return Object.freeze(values) as ConfigOf<ConfigDefinition<S>>;
}
