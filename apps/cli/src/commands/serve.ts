import type { Command } from 'commander';
import { serveService, serviceNames } from '@cogmesh/mesh';
import type { WithContext } from '../program.js';

export function addServe(program: Command, contextOf: WithContext): void {
  program
    .command('serve')
    .argument('<service>', serviceNames.join(', '))
    .description('run one service as a process of its own; configured by COGMESH_* (docs/configuration.md)')
    .action(async (service: string, _options: unknown, command: Command) => {
      await serveService(service, contextOf(command).environment);
    });
}
