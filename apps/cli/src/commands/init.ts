import type { Command } from 'commander';
import { initialiseDataDirectory, isInitialised } from '@cogmesh/mesh';
import type { WithContext } from '../program.js';

export function addInit(program: Command, contextOf: WithContext): void {
  program
    .command('init')
    .description('make keys, the host organisation and its first policies in the data directory')
    .option('--organisation <name>', 'name of the host organisation', 'acme')
    .action(async ({ organisation }: { organisation: string }, command: Command) => {
      const context = contextOf(command);
      const existed = isInitialised(context.directory);
      await initialiseDataDirectory(context.directory.path, { hostOrganisation: organisation });
      context.say(
        existed
          ? `${context.directory.path} was initialised already; nothing changed.`
          : `initialised ${context.directory.path} for ${organisation}`,
      );
      context.emit({ dataDir: context.directory.path, organisation, created: !existed });
    });
}
