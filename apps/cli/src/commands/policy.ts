import type { Command } from 'commander';
import { CogmeshError } from '@cogmesh/sdk';
import { paint } from '../output/colours.js';
import type { WithContext } from '../program.js';

export function addPolicy(program: Command, contextOf: WithContext): void {
  const policy = program.command('policy').description('policies of the organisation');
  policy
    .command('explain')
    .argument('<action>', 'create, read, list, cancel, infer, serve, write …')
    .argument('<resource>', 'canonical path, for example /models/acme/ppocr-detect')
    .description('why the caller would be allowed or denied')
    .action(async (action: string, resource: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      const explanation = await context.client().explain({ action, resource: entityOf(resource) });
      context.say(
        `${explanation.allowed ? paint.green('allowed') : paint.red('denied')}  ${explanation.reason} ${paint.dim(`(${explanation.code})`)}`,
      );
      for (const rule of explanation.rules) context.say(`  ${typeof rule === 'string' ? rule : JSON.stringify(rule)}`);
      context.emit(explanation);
    });
}

/** `/models/acme/x` is the entity `{ type: "model", id: "acme/x" }`; what is no collection of ours is a `path`. */
function entityOf(path: string): { type: string; id: string } {
  const [, collection, ...rest] = path.split('/');
  if (!path.startsWith('/') || !collection)
    throw new CogmeshError('invalid_argument', `a resource is a path such as /runs, not "${path}"`);
  const types: Record<string, string> = {
    models: 'model',
    tools: 'tool',
    runs: 'run',
    blobs: 'blob',
    agents: 'agent',
    policies: 'policy',
  };
  const type = types[collection];
  return type ? { type, id: rest.join('/') } : { type: 'path', id: path };
}
