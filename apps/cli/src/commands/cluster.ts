import type { Command } from 'commander';
import { initialiseDataDirectory, startCluster } from '@cogmesh/mesh';
import { CogmeshError } from '@cogmesh/sdk';
import { untilStopped } from '../stop-signal.js';
import type { WithContext } from '../program.js';
import { announce } from './up.js';

interface ClusterOptions {
  readonly listen: string;
  readonly organisation: string;
  readonly schedulers?: string;
}

export function addCluster(program: Command, contextOf: WithContext): void {
  program
    .command('cluster')
    .description('run every service and sidecar as a process of its own, with RabbitMQ and PostgreSQL on this machine')
    .option('--listen <host:port>', 'address of the REST API', '127.0.0.1:7000')
    .option('--schedulers <n>', 'schedulers that share the work')
    .option('--organisation <name>', 'host organisation of a new data directory', 'acme')
    .action(async ({ listen, organisation, schedulers }: ClusterOptions, command: Command) => {
      const context = contextOf(command);
      const directory = await initialiseDataDirectory(context.directory.path, { hostOrganisation: organisation });
      const progress = (text: string) => context.say(text);
      const mesh = await startCluster({
        directory,
        environment: context.environment,
        httpListen: listen,
        progress,
        ...(schedulers === undefined ? {} : { schedulers: countOf(schedulers) }),
      });
      await announce(context, mesh);
      await untilStopped();
      context.say('draining …');
      await mesh.stop();
    });
}

/** The same bounds as COGMESH_CLUSTER_SCHEDULERS. */
function countOf(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= 8) return count;
  throw new CogmeshError('invalid_argument', `--schedulers is a number from 1 to 8, not "${text}"`);
}
