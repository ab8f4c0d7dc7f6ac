/**
 * The one command of the README, as a child process: all in one, and as a cluster with a real broker and database. Both must
 * read the same lines, leave one trace, and refuse what must be refused. No time is asserted here; bench does that.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FileSpan, readSpans, rootsOf } from './src/otlp.js';
import { type CommandResult, root, runCommand } from './src/processes.js';

/** What `--json` prints, as far as it is used here; `shape` checks the whole. */
interface DemoDocument {
  readonly ocr: { readonly lines: readonly string[]; readonly cer: number };
  readonly trace: { readonly id: string; readonly spans: number };
}

interface Demo {
  readonly result: CommandResult;
  readonly document: DemoDocument;
  readonly spans: readonly FileSpan[];
}

const folders: string[] = [];
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));

async function runDemo(...options: readonly string[]): Promise<Demo> {
  const folder = await mkdtemp(join(tmpdir(), 'cogmesh-otlp-'));
  folders.push(folder);
  const result = await runCommand(join(root, 'cogmesh'), ['demo', ...options, '--json', '--otlp-out', folder]);
  expect(result.stderr + result.stdout, 'the demo printed').toMatch(/^\s*\{/m);
  return { result, document: JSON.parse(result.stdout) as DemoDocument, spans: await readSpans(folder) };
}

const nonNegative = expect.toSatisfy((value: unknown) => typeof value === 'number' && value >= 0, 'a number from 0');
const text = expect.stringMatching(/./);
const shape = {
  ready_ms: nonNegative,
  cold_ms: nonNegative,
  run: {
    id: expect.stringMatching(/^run_[0-9A-Z]{26}$/),
    state: 'SUCCEEDED',
    tasks: [
      expect.objectContaining({ id: 'detect', state: 'SUCCEEDED', uses: 'model:acme/ppocr-detect@4.0.0', attempt: 1 }),
      expect.objectContaining({ id: 'read', state: 'SUCCEEDED', items: expect.objectContaining({ failed: 0 }) }),
      expect.objectContaining({ id: 'join', state: 'SUCCEEDED' }),
    ],
    duration_ms: nonNegative,
  },
  ocr: { lines: expect.arrayContaining([text]), cer: nonNegative },
  trace: {
    id: expect.stringMatching(/^[0-9a-f]{32}$/),
    spans: nonNegative,
    services: expect.arrayContaining(['gateway', 'policy', 'scheduler', 'worker']),
    roots: 1,
  },
  refusals: [
    { case: 'partner without the role', status: 403, code: 'permission_denied', reason: text },
    { case: 'partner key claiming the host issuer', status: 401, code: expect.stringMatching(/token/), reason: text },
    {
      case: 'model denied by policy',
      status: 403,
      code: 'permission_denied',
      reason: expect.stringContaining('no-voice-for-partners'),
    },
  ],
  rss_mb: nonNegative,
};

const spanNames = [
  'authenticate',
  'decide',
  'enforce',
  'submit run',
  'queue wait',
  'dispatch',
  'run task',
  'batch',
  'model run',
  'result',
];

const demos = new Map<string, Demo>();

describe.each([
  ['all in one', []],
  ['as a cluster', ['--cluster']],
] as const)('cogmesh demo, %s', (name, options) => {
  let demo: Demo;
  beforeAll(async () => {
    demo = await runDemo(...options);
    demos.set(name, demo);
  });

  it('prints one document of the published shape and exits 0', () => {
    expect(demo.document).toEqual(shape);
    expect(demo.result.code).toBe(0);
  });

  it('reads the invoice', () => {
    const { cer, lines } = demo.document.ocr;
    expect(cer).toBeLessThanOrEqual(0.05);
    expect(lines.join('\n')).toMatch(/\p{Script=Han}/u);
  });

  it('leaves one trace with one root, told by the exported file alone', () => {
    const { id, spans } = demo.document.trace;
    expect(demo.spans).toHaveLength(spans);
    expect(rootsOf(demo.spans).map((span) => span.name)).toHaveLength(1);
    expect(new Set(demo.spans.map(({ traceId }) => traceId))).toEqual(new Set([id]));
  });

  it.each(spanNames)('shows "%s" in the trace', (span) => {
    expect(demo.spans.map((each) => each.name)).toContain(span);
  });
});

it('reads the same lines both ways', () => {
  const [one, other] = [...demos.values()].map(({ document }) => document.ocr.lines);
  expect(one?.length).toBeGreaterThan(0);
  expect(other).toEqual(one);
});
