import type { Command } from 'commander';
import { initialiseDataDirectory, startCluster } from '@cogmesh/mesh';
import { untilStopped } from '../stop-signal.js';
import type { WithContext } from '../program.js';
import { announce } from './up.js';

export function addCluster(program: Command, contextOf: WithContext): void {
  program
    .command('cluster')
    .description('run every service and sidecar as a process of its own, with RabbitMQ and PostgreSQL on this machine')
    .option('--listen <host:port>', 'address of the REST API', '127.0.0.1:7000')
    .option('--organisation <name>', 'host organisation of a new data directory', 'acme')
    .action(async ({ listen, organisation }: { listen: string; organisation: string }, command: Command) => {
      const context = contextOf(command);
      const directory = await initialiseDataDirectory(context.directory.path, { hostOrganisation: organisation });
      const progress = (text: string) => context.say(text);
      const mesh = await startCluster({ directory, environment: context.environment, httpListen: listen, progress });
      await announce(context, mesh);
      await untilStopped();
      context.say('draining …');
      await mesh.stop();
    });
}
