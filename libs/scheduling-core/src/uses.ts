/**
 * The grammar of a task's `uses`: `model:[<org>/]<name>[@<range>]`, `tool:<org>/<name>`, `script`, `sleep`, `approval`, `run`.
 * A model without organisation is the caller's own; the canonical text always names it.
 */
import { validRange } from 'semver';
import { suggestion } from './suggest.js';

export type Uses =
  | { readonly kind: 'model'; readonly organisation: string; readonly name: string; readonly range: string }
  | { readonly kind: 'tool'; readonly organisation: string; readonly name: string }
  | { readonly kind: BuiltIn };

/** `sleep`, `approval` and `run` wait in the scheduler: no agent works on them. */
type BuiltIn = 'script' | 'sleep' | 'approval' | 'run';

export type UsesProblem = { readonly code: string; readonly message: string };

const name = '[a-z0-9][a-z0-9._-]{0,127}';
const modelPattern = new RegExp(`^model:(?:(${name})/)?(${name})(?:@(.{1,64}))?$`);
const toolPattern = new RegExp(`^tool:(${name})/(${name})$`);
const builtIns: readonly string[] = ['script', 'sleep', 'approval', 'run'] satisfies BuiltIn[];

/** Parses `text` for a caller of `organisation`; a string answer says what is wrong. */
export function parseUses(text: string, organisation: string): Uses | UsesProblem {
  if (builtIns.includes(text)) return { kind: text as BuiltIn };
  const tool = toolPattern.exec(text);
  if (tool) return { kind: 'tool', organisation: tool[1] ?? '', name: tool[2] ?? '' };
  const model = modelPattern.exec(text);
  if (model) return modelUses(model, organisation);
  return {
    code: 'invalid_uses',
    message: `"${text}" is none of model:[<org>/]<name>[@<range>], tool:<org>/<name>, ${builtIns.join(', ')}${suggestion(text, builtIns)}`,
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

/** The policy resource a submitter needs `infer` on, none for what is built in. */
export function resourceOfUses(uses: Uses): string | undefined {
  if (uses.kind === 'model') return `/models/${uses.organisation}/${uses.name}`;
  if (uses.kind === 'tool') return `/tools/${uses.organisation}/${uses.name}`;
  return undefined;
}

/** Waits in the scheduler instead of going to an agent. */
export const waitsInScheduler = (uses: string): boolean => uses === 'sleep' || uses === 'approval' || uses === 'run';
