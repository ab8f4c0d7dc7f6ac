/**
 * The main job, end to end, against a mesh that this process has just started: upload the picture as the partner, submit
 * the DAG, watch it, compare with the truth, read the trace, try what must be refused.
 */
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { mintDevelopmentToken } from '@cogmesh/identity';
import type { DataDirectory, Mesh } from '@cogmesh/mesh';
import { CogmeshClient, CogmeshError, reference, type RunView } from '@cogmesh/sdk';
import type { SpanRecord } from '@cogmesh/telemetry';
import { rootsOf } from '../output/span-tree.js';
import { characterErrorRate } from './character-error-rate.js';
import { readInvoice } from './document.js';
import { memoryMiB } from './memory.js';
import { partner } from './prepare.js';
import { type Refusal, tryRefusals } from './refusals.js';

export interface DemoInput {
  readonly mesh: Mesh;
  readonly directory: DataDirectory;
  readonly image: string;
  /** UTF-8, one printed line per line; undefined when nobody knows. */
  readonly truth: string | undefined;
  /** Milliseconds since the epoch when the process started. */
  readonly startedAt: number;
  readonly watch: (client: CogmeshClient, run: RunView) => Promise<RunView>;
  readonly progress: (text: string) => void;
}

export interface DemoResult {
  readonly ready_ms: number;
  readonly cold_ms: number;
  readonly run: {
    readonly id: string;
    readonly state: string;
    readonly tasks: RunView['tasks'];
    readonly duration_ms: number;
  };
  readonly ocr: { readonly lines: readonly string[]; readonly cer: number | null };
  readonly trace: {
    readonly id: string;
    readonly spans: number;
    readonly services: readonly string[];
    readonly roots: number;
  };
  readonly refusals: readonly Refusal[];
  readonly rss_mb: number;
}

const READY_TIMEOUT_MS = 60_000;
const TRACE_TIMEOUT_MS = 15_000;
const POLL_MS = 20;

const mediaTypes: Record<string, string> = {
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  webp: 'image/webp',
};

export async function runDemo(input: DemoInput): Promise<DemoResult & { readonly spans: readonly SpanRecord[] }> {
  const { mesh, directory } = input;
  await until(async () => (await fetch(`${mesh.url}/readyz`)).ok, READY_TIMEOUT_MS, 'the gateway did not become ready');
  const readyMs = Date.now() - input.startedAt;
  input.progress(`ready in ${readyMs} ms at ${mesh.url}; models warm up …`);
  const token = await mintDevelopmentToken(directory.keysDir, {
    sub: 'demo',
    roles: ['reader'],
    ttlSeconds: 600,
    issuerName: partner,
  });
  const client = new CogmeshClient({ baseUrl: mesh.url, token });
  await until(() => modelsReady(client), READY_TIMEOUT_MS, 'the models did not become ready');

  const blob = await client.uploadBlob(await readFile(input.image), {
    mediaType: mediaTypes[input.image.split('.').at(-1) ?? ''] ?? 'application/octet-stream',
  });
  input.progress(
    `uploaded ${input.image} (${blob.bytes} bytes) as ${partner}; submitting detect → read (one per box) → join`,
  );
  const submitted = await client.submitRun(readInvoice(reference(blob)));
  const run = await input.watch(client, submitted);
  const coldMs = Date.now() - input.startedAt;
  const lines = linesOf(run);
  const spans = await settledTrace(client, mesh, run);
  const refusals = await tryRefusals(mesh.url, directory, reference(blob));
  return {
    ready_ms: readyMs,
    cold_ms: coldMs,
    run: {
      id: run.id,
      state: run.state,
      tasks: run.tasks,
      duration_ms: Date.parse(run.finishedAt ?? '') - Date.parse(run.createdAt),
    },
    ocr: {
      lines,
      cer: input.truth === undefined ? null : characterErrorRate(await readFile(input.truth, 'utf8'), lines),
    },
    trace: {
      id: run.traceId,
      spans: spans.length,
      services: [...new Set(spans.map(({ service }) => service))].sort(),
      roots: rootsOf(spans).length,
    },
    refusals,
    rss_mb: await memoryMiB(mesh.pids()),
    spans,
  };
}

async function modelsReady(client: CogmeshClient): Promise<boolean> {
  const models = await client.models();
  return ['acme/ppocr-detect', 'acme/ppocr-recognize'].every((name) =>
    models.some((model) => model.name === name && model.ready),
  );
}

function linesOf(run: RunView): readonly string[] {
  const output = run.output as { lines?: unknown } | null | undefined;
  return Array.isArray(output?.lines) ? output.lines.map(String) : [];
}

/** The trace once the spans of every service have arrived: exporters send in batches, so it grows after the run's end. */
async function settledTrace(client: CogmeshClient, mesh: Mesh, run: RunView): Promise<readonly SpanRecord[]> {
  let spans: readonly SpanRecord[] = [];
  const settled = async () => {
    await mesh.flushTraces();
    const before = spans.length;
    spans = (await client.trace(run.id)).spans as unknown as readonly SpanRecord[];
    if (spans.length > 0 && spans.length === before && rootsOf(spans).length === 1) return true;
    await delay(700);
    return false;
  };
  await until(settled, TRACE_TIMEOUT_MS, '').catch(() => {});
  return spans;
}

async function until(condition: () => Promise<boolean>, timeoutMs: number, failure: string): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition().catch(() => false))) {
    if (Date.now() > deadline) throw new CogmeshError('timeout', failure);
    await delay(POLL_MS);
  }
}
