import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type SpanRecord, toOtlp } from '@cogmesh/telemetry';

/** Writes `<folder>/<trace id>.json`, for anyone to check with their own tools; answers the file's name. */
export async function writeOtlp(folder: string, traceId: string, spans: readonly SpanRecord[]): Promise<string> {
  await mkdir(folder, { recursive: true });
  const file = join(folder, `${traceId}.json`);
  await writeFile(file, `${JSON.stringify(toOtlp(spans), null, 2)}\n`);
  return file;
}
