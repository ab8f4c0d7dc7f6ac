import type { Command } from 'commander';
import { paint } from '../output/colours.js';
import { drawSpans, rootsOf, type TraceSpan } from '../output/span-tree.js';
import type { WithContext } from '../program.js';

export function addTrace(program: Command, contextOf: WithContext): void {
  program
    .command('trace')
    .argument('<run>', 'run id')
    .description('the run’s trace as a tree of spans')
    .action(async (runId: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      const trace = await context.client().trace(runId);
      const spans = trace.spans as unknown as readonly TraceSpan[];
      const services = new Set(spans.map(({ service }) => service));
      context.say(
        `trace ${trace.traceId}: ${spans.length} spans, ${rootsOf(spans).length} root, services ${[...services].sort().join(', ')}`,
      );
      context.say(spans.length === 0 ? paint.dim('no span has arrived yet') : drawSpans(spans));
      context.emit(trace);
    });
}
