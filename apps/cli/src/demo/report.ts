/** The demo's result for a person: what was read beside the truth, times, the trace, the refusals, the verdict. */
import { readFile } from 'node:fs/promises';
import type { SpanRecord } from '@cogmesh/telemetry';
import type { CliContext } from '../context.js';
import { paint } from '../output/colours.js';
import { drawSpans } from '../output/span-tree.js';
import { stateLabel } from '../output/states.js';
import { table } from '../output/table.js';
import { pairLines } from './character-error-rate.js';
import { allRefused } from './refusals.js';
import type { DemoResult } from './run-demo.js';

/** Largest character error rate of the shipped picture, and of one that somebody brings. */
export const MAX_CER = 0.05;
export const MAX_CER_OTHER = 0.15;

export function verdict(result: DemoResult, maxCer: number): boolean {
  const { run, ocr, trace, refusals } = result;
  return (
    run.state === 'SUCCEEDED' && (ocr.cer === null || ocr.cer <= maxCer) && trace.roots === 1 && allRefused(refusals)
  );
}

export async function printReport(
  context: CliContext,
  result: DemoResult & { readonly spans: readonly SpanRecord[] },
  truthFile: string | undefined,
): Promise<void> {
  const heading = (text: string) => context.say(`\n${paint.bold(text)}`);
  heading('What was read');
  context.say(truthFile === undefined ? result.ocr.lines.join('\n') : await comparison(truthFile, result.ocr.lines));
  heading('Tasks');
  const rows = (result.run.tasks ?? []).map((task) => [
    task.id,
    stateLabel(task.state as never),
    task.uses,
    task.items ? `${task.items.succeeded}/${task.items.total}` : '',
    `${task.queuedMs ?? ''}`,
    `${task.runMs ?? ''}`,
  ]);
  context.say(table(['task', 'state', 'uses', 'items', 'queued ms', 'run ms'], rows));
  heading(
    `Trace ${result.trace.id}: ${result.trace.spans} spans of ${result.trace.services.length} services, ${result.trace.roots} root`,
  );
  if (result.spans.length > 0) context.say(drawSpans(result.spans));
  heading('Refused, and why');
  for (const { case: name, status, code, reason } of result.refusals) {
    context.say(
      `${status >= 400 ? paint.green('✓') : paint.red('✗')} ${name}: ${paint.bold(String(status))} ${code}\n    ${reason}`,
    );
  }
  heading('In figures');
  const cer = result.ocr.cer === null ? 'unknown (no truth given)' : `${(result.ocr.cer * 100).toFixed(2)} %`;
  context.say(
    `ready ${result.ready_ms} ms · run ${result.run.duration_ms} ms · first result after ${result.cold_ms} ms · character error rate ${cer} · memory ${result.rss_mb} MB`,
  );
}

async function comparison(truthFile: string, lines: readonly string[]): Promise<string> {
  const pairs = pairLines(await readFile(truthFile, 'utf8'), lines);
  const rows = pairs.map(({ truth, read, errors }) => [
    errors === 0 ? paint.green('✓') : paint.red(String(errors)),
    truth,
    read ?? paint.dim('(not found)'),
  ]);
  return table(['', 'printed', 'read'], rows);
}
