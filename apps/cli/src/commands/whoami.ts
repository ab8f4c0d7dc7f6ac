import type { Command } from 'commander';
import type { WithContext } from '../program.js';

export function addWhoami(program: Command, contextOf: WithContext): void {
  program
    .command('whoami')
    .description('who the gateway takes the token for')
    .action(async (_options: unknown, command: Command) => {
      const context = contextOf(command);
      const subject = await context.client().whoami();
      context.say(
        `${subject.sub} of ${subject.organisation}, roles ${subject.roles.join(', ') || 'none'} (${subject.issuer})`,
      );
      context.emit(subject);
    });
}
