/** Reads one policy of a set: what it covers, its condition, its effect, and what it obliges to. */
import { compileCondition, isConditionProblem, type ConditionPlace } from './condition.js';
import type { DocumentReader } from './document-reader.js';
import { globProblem } from './glob.js';
import { limits } from './limits.js';
import { idPattern } from './names.js';
import type { Effect, Obligation, PolicyDocument } from './types.js';

/** `GET` and `can_read` are actions of other systems. */
export const actionPattern = /^(?:[A-Za-z][A-Za-z0-9_.:-]{0,63}|\*)$/;

const known = ['id', 'description', 'policy', 'permissions', 'resources', 'effect', 'obligations'];

export function readPolicy(
  reader: DocumentReader,
  json: unknown,
  { path, position }: { path: string; position: number },
): PolicyDocument {
  const fields = reader.object(json, path, known);
  const id = reader.optionalText(fields.id, { path: `${path}.id`, pattern: idPattern });
  const description = reader.optionalText(fields.description, {
    path: `${path}.description`,
    maxChars: limits.descriptionChars,
  });
  const policy = readCondition(reader, fields.policy, { path: `${path}.policy`, place: 'policy' });
  const permissions = reader.texts(fields.permissions, {
    path: `${path}.permissions`,
    max: limits.permissions,
    pattern: actionPattern,
  });
  const obligations = readObligations(reader, fields.obligations, `${path}.obligations`);
  return {
    id: id ?? `policy-${String(position + 1)}`,
    ...(description === undefined ? {} : { description }),
    ...(policy === undefined ? {} : { policy }),
    permissions,
    resources: readResources(reader, fields.resources, `${path}.resources`),
    effect: readEffect(reader, fields.effect, `${path}.effect`),
    ...(obligations === undefined ? {} : { obligations }),
  };
}

/** The text, checked as CEL for its place; undefined when there is none. */
export function readCondition(
  reader: DocumentReader,
  json: unknown,
  { path, place }: { path: string; place: ConditionPlace },
): string | undefined {
  const text = reader.optionalText(json, { path, maxChars: limits.conditionChars });
  if (text === undefined) return undefined;
  const compiled = compileCondition(text, place);
  if (isConditionProblem(compiled)) reader.issue(path, compiled.code, compiled.message);
  return text;
}

function readResources(reader: DocumentReader, json: unknown, path: string): string[] {
  const check = (glob: string, at: string): void => {
    const problem = globProblem(glob);
    if (problem !== undefined) reader.issue(at, 'invalid_glob', `${JSON.stringify(glob)} ${problem}`);
  };
  return reader.texts(json, { path, max: limits.resources, check });
}

function readEffect(reader: DocumentReader, json: unknown, path: string): Effect {
  if (json === undefined || json === 'allow') return 'allow';
  if (json !== 'deny') reader.issue(path, 'invalid_effect', 'must be "allow" or "deny"');
  return 'deny';
}

function readObligations(reader: DocumentReader, json: unknown, path: string): Obligation[] | undefined {
  if (json === undefined) return undefined;
  return reader
    .list(json, { path, max: limits.obligations })
    .map((item, i) => readObligation(reader, item, `${path}[${String(i)}]`));
}

function readObligation(reader: DocumentReader, json: unknown, path: string): Obligation {
  const fields = reader.object(json, path, ['id', 'type', 'properties']);
  if (fields.id === undefined) reader.issue(`${path}.id`, 'missing', 'is missing');
  const id = reader.optionalText(fields.id, { path: `${path}.id`, pattern: idPattern }) ?? '';
  const type = reader.optionalText(fields.type, { path: `${path}.type`, pattern: idPattern });
  const properties =
    fields.properties === undefined ? undefined : reader.members(fields.properties, `${path}.properties`);
  return { id, ...(type === undefined ? {} : { type }), ...(properties === undefined ? {} : { properties }) };
}
