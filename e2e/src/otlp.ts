/** Reads what `--otlp-out` wrote with nothing of ours: whoever checks a trace has only the file. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface FileSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly links?: readonly { readonly spanId: string }[];
}

interface File {
  readonly resourceSpans: readonly { readonly scopeSpans: readonly { readonly spans: readonly FileSpan[] }[] }[];
}

/** Every span of the one file in the folder. */
export async function readSpans(folder: string): Promise<readonly FileSpan[]> {
  const [name, ...more] = await readdir(folder);
  if (name === undefined || more.length > 0)
    throw new Error(`expected one file in ${folder}, found ${more.length + 1}`);
  const file = JSON.parse(await readFile(join(folder, name), 'utf8')) as File;
  return file.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
}

/** Spans without a parent among them. */
export function rootsOf(spans: readonly FileSpan[]): readonly FileSpan[] {
  const ids = new Set(spans.map(({ spanId }) => spanId));
  return spans.filter(({ parentSpanId = '' }) => !ids.has(parentSpanId));
}
