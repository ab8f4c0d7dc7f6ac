import { stripVTControlCharacters } from 'node:util';
import type { RunEvent, RunView } from '@cogmesh/sdk';
import { describe, expect, it } from 'vitest';
import { drawDag, eventLine } from './dag-view.js';
import { RunProgress } from './progress.js';
import { drawSpans, rootsOf, type TraceSpan } from './span-tree.js';
import { displayWidth, table } from './table.js';

const run = {
  id: 'run_1',
  state: 'RUNNING',
  tasks: [
    { id: 'join', uses: 'script', state: 'BLOCKED', attempt: 0, depends: ['read'] },
    { id: 'read', uses: 'model:acme/r', state: 'BLOCKED', attempt: 0, depends: ['detect'], items: null },
    { id: 'detect', uses: 'model:acme/d', state: 'RUNNING', attempt: 1 },
  ],
} as unknown as RunView;

const at = (ms: number) => new Date(1_700_000_000_000 + ms).toISOString();
const event = (fields: Partial<RunEvent>): RunEvent => ({ sequence: 1, time: at(0), type: 'task.state', ...fields });

describe('the live view of a run', () => {
  it('puts tasks below what they wait for, and shows items, times and errors', () => {
    const progress = new RunProgress(run);
    progress.apply(event({ taskId: 'detect', taskState: 'RUNNING', time: at(0) }));
    progress.apply(event({ taskId: 'detect', taskState: 'SUCCEEDED', time: at(250) }));
    progress.apply(event({ taskId: 'read', taskState: 'RUNNING', time: at(300) }));
    progress.apply(event({ taskId: 'read', taskState: 'SUCCEEDED', index: 0 }));
    expect(progress.lacksTotals).toBe(true);
    progress.learnTotals({
      ...run,
      tasks: [{ ...run.tasks?.[1], items: { total: 4, succeeded: 1, failed: 0 } }],
    } as RunView);
    expect(progress.lacksTotals).toBe(false);
    const lines = stripVTControlCharacters(drawDag(progress, 1_700_000_000_500)).split('\n');
    expect(lines[1]).toMatch(/^● detect\s+SUCCEEDED\s+250 ms$/);
    expect(lines[2]).toMatch(/^ {2}◐ read\s+RUNNING\s+█{5}░{15} 1\/4\s+200 ms$/);
    expect(lines[3]).toMatch(/^ {4}○ join\s+BLOCKED\s+waits for read$/);
  });

  it('ignores events of tasks it does not know, and prints none of single items', () => {
    const progress = new RunProgress(run);
    progress.apply(event({ taskId: 'stranger', taskState: 'FAILED' }));
    expect(progress.tasks.map(({ state }) => state)).not.toContain('FAILED');
    expect(eventLine(event({ taskId: 'read', taskState: 'RUNNING', index: 3 }))).toBeUndefined();
    const failed = event({ taskId: 'read', taskState: 'FAILED', error: { code: 'timeout', message: 'too slow' } });
    expect(eventLine(failed)).toContain('read  FAILED  timeout: too slow');
  });
});

describe('a trace as a tree', () => {
  const span = (spanId: string, parentSpanId: string, name: string, startUs: number): TraceSpan => ({
    spanId,
    parentSpanId,
    service: 's',
    name,
    startUs,
    endUs: startUs + 1_000,
    error: false,
    statusMessage: '',
  });

  it('counts a span whose parent is missing as a root', () => {
    expect(
      rootsOf([span('a', '', 'root', 0), span('b', 'a', 'child', 1), span('c', 'gone', 'orphan', 2)]),
    ).toHaveLength(2);
  });

  it('orders children by time and folds many alike', () => {
    const many = Array.from({ length: 9 }, (_, i) => span(`m${i}`, 'a', 'many', 100 + i));
    const lines = stripVTControlCharacters(
      drawSpans([...many, span('b', 'a', 'first', 50), span('a', '', 'root', 0)]),
    ).split('\n');
    expect(lines.map((line) => line.trim().replace(/\s+\+.*$/, ''))).toEqual([
      's root',
      's first',
      's many',
      '… 8 more s many, median 1.0 ms, longest 1.0 ms',
    ]);
  });
});

it('aligns columns by what a terminal shows: wide characters count twice, colours not at all', () => {
  expect(displayWidth('税额')).toBe(4);
  expect(displayWidth('\u001b[32m✓\u001b[39m')).toBe(1);
  const lines = stripVTControlCharacters(
    table(
      ['a', 'n'],
      [
        ['税额', 5],
        ['x', 12],
      ],
    ),
  ).split('\n');
  expect(lines.slice(1)).toEqual(['税额   5', 'x     12']);
});
