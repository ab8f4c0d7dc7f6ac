import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { startAllInOne, startCluster, type DataDirectory, type Mesh } from '@cogmesh/mesh';
import type { CliContext } from '../context.js';
import { writeOtlp } from '../demo/write-otlp.js';
import { demoFile, prepareDemo } from '../demo/prepare.js';
import { MAX_CER, MAX_CER_OTHER, printReport, verdict } from '../demo/report.js';
import { runDemo } from '../demo/run-demo.js';
import { paint } from '../output/colours.js';
import { watchToEnd } from '../output/watch.js';
import type { WithContext } from '../program.js';

interface DemoOptions {
  readonly cluster?: boolean;
  readonly image?: string;
  readonly truth?: string;
  readonly otlpOut?: string;
  readonly keep?: boolean;
}

export function addDemo(program: Command, contextOf: WithContext, exitWith: (code: number) => void): void {
  program
    .command('demo')
    .description('start everything in an empty data directory and read a real invoice, end to end')
    .option('--cluster', 'with RabbitMQ, PostgreSQL and one process per service and sidecar')
    .option('--image <file>', 'another picture')
    .option('--truth <file>', 'what is printed on it: UTF-8, one printed line per line')
    .option('--otlp-out <folder>', 'write the spans as OTLP JSON')
    .option('--keep', 'keep the data directory, and say where it is')
    .action(async (options: DemoOptions, command: Command) => {
      const startedAt = Math.round(performance.timeOrigin);
      const context = contextOf(command);
      const path = await mkdtemp(join(tmpdir(), 'cogmesh-demo-'));
      try {
        exitWith((await demo(context, options, path, startedAt)) ? 0 : 1);
      } finally {
        if (options.keep) context.say(`data directory: ${path}`);
        else await rm(path, { recursive: true, force: true });
      }
    });
}

async function demo(context: CliContext, options: DemoOptions, path: string, startedAt: number): Promise<boolean> {
  const truth = options.image === undefined ? demoFile('invoice.txt') : options.truth;
  const directory = await prepareDemo(path);
  const mesh = await start(context, options, directory);
  try {
    const { spans, ...result } = await runDemo({
      mesh,
      directory,
      image: options.image ?? demoFile('invoice.png'),
      truth,
      startedAt,
      watch: (client, run) => watchToEnd(context, client, run),
      progress: (text) => context.say(text),
    });
    await printReport(context, { ...result, spans }, truth);
    if (options.otlpOut !== undefined)
      context.say(`spans: ${await writeOtlp(options.otlpOut, result.trace.id, spans)}`);
    const passed = verdict(result, options.image === undefined ? MAX_CER : MAX_CER_OTHER);
    context.say(`\n${passed ? paint.green('The demo passed.') : paint.red('The demo FAILED: see above.')}`);
    context.emit(result);
    return passed;
  } finally {
    await mesh.stop();
  }
}

function start(context: CliContext, options: DemoOptions, directory: DataDirectory): Promise<Mesh> {
  const common = { directory, environment: context.environment, httpListen: '127.0.0.1:0' };
  if (!options.cluster) return startAllInOne(common);
  return startCluster({ ...common, progress: (text) => context.say(text) });
}
