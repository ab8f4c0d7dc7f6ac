/** A trace as a tree of spans: who, what, when it began, how long; many alike siblings are folded into one line. */
import { paint } from './colours.js';
import { padTo } from './table.js';

/** A span as `GET /v1/runs/{id}/trace` gives it. Times in microseconds since the epoch. */
export interface TraceSpan {
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly service: string;
  readonly name: string;
  readonly startUs: number;
  readonly endUs: number;
  readonly error: boolean;
  readonly statusMessage: string;
}

/** Siblings of the same service and name beyond this many are folded. */
const FOLD_ABOVE = 4;
const NAME_COLUMN = 64;

interface Node {
  readonly span: TraceSpan;
  readonly children: Node[];
}

/** Spans whose parent is not among them: 1 for a whole trace. */
export function rootsOf(spans: readonly TraceSpan[]): TraceSpan[] {
  const ids = new Set(spans.map(({ spanId }) => spanId));
  return spans.filter(({ parentSpanId }) => parentSpanId === '' || !ids.has(parentSpanId));
}

export function drawSpans(spans: readonly TraceSpan[]): string {
  const nodes = new Map(spans.map((span) => [span.spanId, { span, children: [] as Node[] }]));
  for (const node of nodes.values()) nodes.get(node.span.parentSpanId)?.children.push(node);
  const roots = rootsOf(spans).flatMap(({ spanId }) => nodes.get(spanId) ?? []);
  const start = Math.min(...spans.map(({ startUs }) => startUs));
  return roots.flatMap((root) => drawNode(root, '', start)).join('\n');
}

function drawNode(node: Node, indent: string, start: number): string[] {
  return [line(node, indent, start), ...drawChildren(node, indent, start)];
}

function drawChildren(node: Node, indent: string, start: number): string[] {
  const ordered = [...node.children].sort((a, b) => a.span.startUs - b.span.startUs);
  const groups = Map.groupBy(ordered, ({ span }) => `${span.service} ${span.name}`);
  const lines: string[] = [];
  const folded = new Set<string>();
  for (const child of ordered) {
    const key = `${child.span.service} ${child.span.name}`;
    const alike = groups.get(key) ?? [];
    if (alike.length <= FOLD_ABOVE) lines.push(...drawNode(child, `${indent}  `, start));
    else if (!folded.has(key)) {
      folded.add(key);
      lines.push(...drawNode(child, `${indent}  `, start), foldLine(alike, `${indent}  `));
    }
  }
  return lines;
}

function line({ span }: Node, indent: string, start: number): string {
  const name = `${indent}${paint.cyan(span.service)} ${span.name}`;
  const times = `${padTo(`+${ms(span.startUs - start)}`, 10)} ${ms(span.endUs - span.startUs)}`;
  return `${padTo(name, NAME_COLUMN)} ${paint.dim(times)}${span.error ? paint.red(`  ${span.statusMessage}`) : ''}`;
}

function foldLine(alike: readonly Node[], indent: string): string {
  const durations = alike.map(({ span }) => span.endUs - span.startUs).sort((a, b) => a - b);
  const median = durations[durations.length >> 1] ?? 0;
  const { service, name } = (alike[0] as Node).span;
  return paint.dim(
    `${indent}… ${alike.length - 1} more ${service} ${name}, median ${ms(median)}, longest ${ms(durations.at(-1) ?? 0)}`,
  );
}

const ms = (microseconds: number) => `${(microseconds / 1000).toFixed(1)} ms`;
