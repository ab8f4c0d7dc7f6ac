import type { Command } from 'commander';
import { paint } from '../output/colours.js';
import { table } from '../output/table.js';
import type { WithContext } from '../program.js';

export function addModels(program: Command, contextOf: WithContext): void {
  program
    .command('models')
    .description('models the caller may infer')
    .action(async (_options: unknown, command: Command) => {
      const context = contextOf(command);
      const models = await context.client().models();
      const rows = models.map((model) => [
        model.name,
        model.version,
        model.ready ? paint.green('ready') : paint.yellow('warming up'),
        model.agents,
      ]);
      context.say(
        rows.length === 0
          ? 'no model that you may infer is served now'
          : table(['model', 'version', 'state', 'agents'], rows),
      );
      context.emit({ models });
    });
}
