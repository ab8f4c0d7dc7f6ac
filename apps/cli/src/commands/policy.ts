import type { Command } from 'commander';
import { entityOfPath } from '../entity-names.js';
import { paint } from '../output/colours.js';
import type { WithContext } from '../program.js';
import { addPolicyCheck } from './policy-check.js';

export function addPolicy(program: Command, contextOf: WithContext, setExitCode: (code: number) => void): void {
  const policy = program.command('policy').description('policies of the organisation');
  policy
    .command('explain')
    .argument('<action>', 'create, read, list, cancel, infer, serve, write …')
    .argument('<resource>', 'canonical path, for example /models/acme/ppocr-detect')
    .description('why the caller would be allowed or denied')
    .action(async (action: string, resource: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      const explanation = await context.client().explain({ action, resource: entityOfPath(resource) });
      context.say(
        `${explanation.allowed ? paint.green('allowed') : paint.red('denied')}  ${explanation.reason} ${paint.dim(`(${explanation.code})`)}`,
      );
      for (const rule of explanation.rules) context.say(`  ${typeof rule === 'string' ? rule : JSON.stringify(rule)}`);
      context.emit(explanation);
    });
  addPolicyCheck(policy, contextOf, setExitCode);
}
