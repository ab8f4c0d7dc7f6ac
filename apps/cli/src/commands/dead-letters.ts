import type { Command } from 'commander';
import { table } from '../output/table.js';
import type { WithContext } from '../program.js';

export function addDeadLetters(program: Command, contextOf: WithContext): void {
  const letters = program
    .command('dead-letters')
    .description('messages that could not be processed (administrators)')
    .action(async (_options: unknown, command: Command) => {
      const context = contextOf(command);
      const deadLetters = await context.client().scheduling.deadLetters();
      const rows = deadLetters.map(({ id, queue, messageType, receivedAt, reason }) => [
        id,
        queue,
        messageType,
        receivedAt ?? '',
        reason,
      ]);
      context.say(rows.length === 0 ? 'none' : table(['id', 'queue', 'type', 'received', 'reason'], rows));
      context.emit({ deadLetters });
    });
  letters
    .command('replay')
    .argument('<id>')
    .description('publish a dead letter to its queue again')
    .action(async (id: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      await context.client().scheduling.replayDeadLetter(id);
      context.say(`${id} was published again`);
      context.emit({ replayed: id });
    });
}
