/**
 * The grammar of a task's `uses`: `model:[<org>/]<name>[@<range>]`, `tool:<org>/<name>`, `script`, `sleep`.
 * A model without organisation is the caller's own; the canonical text always names it.
 */
import { validRange } from 'semver';

export type Uses =
  | { readonly kind: 'model'; readonly organisation: string; readonly name: string; readonly range: string }
  | { readonly kind: 'tool'; readonly organisation: string; readonly name: string }
  | { readonly kind: 'script' }
  | { readonly kind: 'sleep' };

export type UsesProblem = { readonly code: string; readonly message: string };

const name = '[a-z0-9][a-z0-9._-]{0,127}';
const modelPattern = new RegExp(`^model:(?:(${name})/)?(${name})(?:@(.{1,64}))?$`);
const toolPattern = new RegExp(`^tool:(${name})/(${name})$`);
const laterKinds = new Set(['approval', 'run']);

/** Parses `text` for a caller of `organisation`; a string answer says what is wrong. */
export function parseUses(text: string, organisation: string): Uses | UsesProblem {
  if (text === 'script' || text === 'sleep') return { kind: text };
  if (laterKinds.has(text)) return { code: 'unsupported_uses', message: `"${text}" is not available in this release` };
  const tool = toolPattern.exec(text);
  if (tool) return { kind: 'tool', organisation: tool[1] ?? '', name: tool[2] ?? '' };
  const model = modelPattern.exec(text);
  if (model) return modelUses(model, organisation);
  return {
    code: 'invalid_uses',
    message: `"${text}" is none of model:[<org>/]<name>[@<range>], tool:<org>/<name>, script, sleep`,
  };
}

function modelUses(match: RegExpExecArray, organisation: string): Uses | UsesProblem {
  const range = match[3] ?? '*';
  if (validRange(range) === null)
    return { code: 'invalid_range', message: `"${range}" is not a semantic version range` };
  return { kind: 'model', organisation: match[1] ?? organisation, name: match[2] ?? '', range };
}

export function isUsesProblem(parsed: Uses | UsesProblem): parsed is UsesProblem {
  return 'code' in parsed;
}

/** Canonical text: the organisation is always there, `@*` never is. */
export function formatUses(uses: Uses): string {
  switch (uses.kind) {
    case 'model':
      return `model:${uses.organisation}/${uses.name}${uses.range === '*' ? '' : `@${uses.range}`}`;
    case 'tool':
      return `tool:${uses.organisation}/${uses.name}`;
    default:
      return uses.kind;
  }
}

/** The policy resource a submitter needs `infer` on, none for script and sleep. */
export function resourceOfUses(uses: Uses): string | undefined {
  if (uses.kind === 'model') return `/models/${uses.organisation}/${uses.name}`;
  if (uses.kind === 'tool') return `/tools/${uses.organisation}/${uses.name}`;
  return undefined;
}
