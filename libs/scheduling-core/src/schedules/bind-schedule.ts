/**
 * A schedule's document made into a run document for one time. In `input` expressions see only `schedule` and are
 * evaluated now; in expressions of tasks and of the output the name `schedule` is replaced by its value, so that the run
 * needs no memory of its schedule: a retry or a nested run reads the same time.
 */
import type { ASTNode } from '@marcbachmann/cel-js';
import { CogmeshError } from '@cogmesh/errors';
import { environments } from '../expressions/environment.js';
import { evaluateTemplate, templateOf } from '../expressions/evaluate-template.js';
import { hasExpression } from '../expressions/template.js';
import { isJsonObject, type Json, type JsonObject } from '../json.js';

export interface ScheduleTime {
  readonly id: string;
  readonly name: string;
  /** What it fires for, milliseconds since the epoch. */
  readonly timeMs: number;
}

/** Throws `invalid_json` or `invalid_expression`; what else is wrong is for the run's own parser to say. */
export function bindSchedule(documentJson: string, schedule: ScheduleTime, maxSteps: number): string {
  const document = parsedDocument(documentJson);
  if (!isJsonObject(document)) return documentJson;
  const value = { id: schedule.id, name: schedule.name, time: new Date(schedule.timeMs).toISOString() };
  const literal = `(${JSON.stringify(value)})`;
  const scope = { input: null, run: {}, tasks: {}, schedule: value };
  const bound = Object.entries(document).map(([field, element]): [string, Json] => {
    if (field === 'input') return [field, evaluateTemplate(element, scope, { kind: 'schedule', maxSteps })];
    return [field, field === 'tasks' || field === 'output' ? replaced(element, literal) : element];
  });
  const { labels } = document;
  const named: JsonObject = {
    ...Object.fromEntries(bound),
    name: document['name'] ?? schedule.name,
    ...(labels === undefined || isJsonObject(labels) ? { labels: { ...labels, schedule: schedule.name } } : {}),
  };
  return JSON.stringify(named);
}

function parsedDocument(documentJson: string): Json {
  try {
    return JSON.parse(documentJson) as Json;
  } catch (error) {
    throw new CogmeshError('invalid_json', `the document is not valid JSON: ${(error as Error).message}`);
  }
}

function replaced(value: Json, literal: string): Json {
  if (typeof value === 'string') return replacedText(value, literal);
  if (Array.isArray(value)) return value.map((element: Json) => replaced(element, literal));
  if (!isJsonObject(value)) return value;
  // A script is a program, not a template.
  const entries = Object.entries(value).map(([key, element]) => [
    key,
    key === 'script' ? element : replaced(element, literal),
  ]);
  return Object.fromEntries(entries) as JsonObject;
}

/** From the last place to the first, so that positions stay what they were. */
function replacedText(source: string, literal: string): string {
  if (!hasExpression(source) || !source.includes('schedule')) return source;
  let text = source;
  for (const { from, to } of placesIn(source).reverse()) text = text.slice(0, from) + literal + text.slice(to);
  return text;
}

interface Place {
  readonly from: number;
  readonly to: number;
}

/** Where expressions name `schedule`. Broken templates and expressions have none: the run's parser reports them. */
function placesIn(source: string): Place[] {
  try {
    return templateOf(source).flatMap((part) => {
      if (!('expression' in part)) return [];
      const { ast } = environments.item.parse(part.expression);
      return namesIn(ast).map(({ from, to }) => ({ from: part.offset + from, to: part.offset + to }));
    });
  } catch {
    return [];
  }
}

function namesIn(value: unknown): Place[] {
  if (Array.isArray(value)) return value.flatMap(namesIn);
  if (typeof value !== 'object' || value === null || !('op' in value)) return [];
  const node = value as ASTNode;
  if (node.op !== 'id') return namesIn(node.args);
  return node.args === 'schedule' ? [{ from: node.range.start, to: node.range.end }] : [];
}
