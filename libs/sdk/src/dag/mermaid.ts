/** A run document as a Mermaid flow chart. Edges are the named dependencies and those that expressions imply. */
import type { RunDocument, TaskDocument } from '../run-document.js';
import { Dag } from './dag.js';

export function mermaid(run: Dag<never> | Dag | RunDocument): string {
  const { tasks } = run instanceof Dag ? (run as Dag).compile() : (run as RunDocument);
  const nodes = new Map(tasks.map(({ id }, position) => [id, `t${position}`]));
  const lines = tasks.map((task) => `  ${nodes.get(task.id)}${shape(task)}`);
  const edges = tasks.flatMap((task) =>
    [...parentsOf(task)].flatMap((parent) => {
      const from = nodes.get(parent);
      return from === undefined ? [] : [`  ${from} --> ${nodes.get(task.id)}`];
    }),
  );
  return ['flowchart TD', ...lines, ...edges, ''].join('\n');
}

function shape({ id, uses, forEach, when }: TaskDocument): string {
  const marks = [forEach === undefined ? '' : 'for each', when === undefined ? '' : 'conditional'].filter(Boolean);
  const label = `"${[id, uses, ...marks].map(escaped).join('<br/>')}"`;
  if (uses === 'approval') return `{{${label}}}`;
  return forEach === undefined ? `[${label}]` : `[[${label}]]`;
}

/** In Mermaid's quoted labels only these would end or change the text. */
const escaped = (text: string) => text.replaceAll(/["<>&#]/g, (sign) => `#${sign.codePointAt(0)};`);

const named = /\btasks(?:\.([a-z][a-z0-9_]*)|\[\s*["']([^"']+)["']\s*\])/g;

function parentsOf({ depends = [], document: _nested, script: _script, ...task }: TaskDocument): Set<string> {
  const implied = expressionsIn(task).flatMap((text) => [...text.matchAll(named)].map(([, a, b]) => a ?? b ?? ''));
  return new Set([...depends, ...implied]);
}

function expressionsIn(value: unknown): string[] {
  if (typeof value === 'string') return [...value.matchAll(/\$\{\{(.*?)\}\}/gs)].map(([, source]) => source ?? '');
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(expressionsIn);
}
