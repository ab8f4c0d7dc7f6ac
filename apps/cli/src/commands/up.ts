import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { initialiseDataDirectory, type Mesh, startAllInOne } from '@cogmesh/mesh';
import { type CliContext, endpointFile } from '../context.js';
import { paint } from '../output/colours.js';
import { untilStopped } from '../stop-signal.js';
import type { WithContext } from '../program.js';

export function addUp(program: Command, contextOf: WithContext): void {
  program
    .command('up')
    .description('run everything in this process: gateway, policy, scheduler, registry, worker (implies --dev)')
    .option('--listen <host:port>', 'address of the REST API', '127.0.0.1:7000')
    .option('--organisation <name>', 'host organisation of a new data directory', 'acme')
    .action(async ({ listen, organisation }: { listen: string; organisation: string }, command: Command) => {
      const context = contextOf(command);
      const directory = await initialiseDataDirectory(context.directory.path, { hostOrganisation: organisation });
      const mesh = await startAllInOne({ directory, environment: context.environment, httpListen: listen });
      await announce(context, mesh);
      await untilStopped();
      context.say('draining …');
      await mesh.stop();
    });
}

/** Leaves the address for commands that run beside this one, and says what to do next. */
export async function announce(context: CliContext, mesh: Mesh): Promise<void> {
  await writeFile(
    endpointFile(context.directory),
    `${JSON.stringify({ url: mesh.url, grpc: mesh.grpc, registry: mesh.registry })}\n`,
  );
  context.say(`${paint.green('up')}   ${mesh.url}   docs at ${mesh.url}/docs   data in ${context.directory.path}`);
  context.say(
    paint.dim('try: ./cogmesh models, ./cogmesh run docs/examples/hello.json --watch; Ctrl-C drains and stops'),
  );
  context.emit({ url: mesh.url, grpc: mesh.grpc, registry: mesh.registry, dataDir: context.directory.path });
}
