import type { Command } from 'commander';
import type { RunState, WebhookDefinition, WebhookView } from '@cogmesh/sdk';
import { collect, labelsOf } from '../numbers.js';
import { table } from '../output/table.js';
import type { WithContext } from '../program.js';

interface WebhookOptions {
  readonly state: readonly string[];
  readonly label: readonly string[];
  readonly paused?: boolean;
}

export function addWebhooks(program: Command, contextOf: WithContext): void {
  const webhooks = program
    .command('webhooks')
    .description('who is told when runs end')
    .action(async (_options: unknown, command: Command) => {
      const context = contextOf(command);
      const found = await context.client().scheduling.webhooks();
      context.say(found.length === 0 ? 'no webhooks' : webhooksTable(found));
      context.emit({ webhooks: found });
    });
  withFilters(webhooks.command('add').argument('<url>').description('make a webhook; its secret is shown once')).action(
    async (url: string, options: WebhookOptions, command: Command) => {
      const context = contextOf(command);
      const made = await context.client().scheduling.makeWebhook(definitionOf(url, options));
      context.say(`${made.id}  secret ${made.secret ?? ''}`);
      context.emit(made);
    },
  );
  withFilters(
    webhooks.command('put').argument('<id>').argument('<url>').description('replace a webhook; its secret stays'),
  ).action(async (id: string, url: string, options: WebhookOptions, command: Command) => {
    const context = contextOf(command);
    const kept = await context.client().scheduling.putWebhook(id, definitionOf(url, options));
    context.say(webhooksTable([kept]));
    context.emit(kept);
  });
  addDelete(webhooks, contextOf);
  addDeliveries(webhooks, contextOf);
}

function withFilters(command: Command): Command {
  return command
    .option('--state <state>', 'only this end of a run; may be repeated', collect, [])
    .option('--label <key=value>', 'only runs with this label; may be repeated', collect, [])
    .option('--paused', 'tell nothing yet');
}

const definitionOf = (url: string, { state, label, paused = false }: WebhookOptions): WebhookDefinition => ({
  url,
  states: state.map((text) => text.toUpperCase() as RunState),
  labels: labelsOf(label),
  paused,
});

function addDelete(webhooks: Command, contextOf: WithContext): void {
  webhooks
    .command('delete')
    .argument('<id>')
    .description('remove a webhook')
    .action(async (id: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      await context.client().scheduling.deleteWebhook(id);
      context.say(`${id} is gone`);
      context.emit({ deleted: id });
    });
}

function addDeliveries(webhooks: Command, contextOf: WithContext): void {
  webhooks
    .command('deliveries')
    .argument('<id>')
    .description('what a webhook was told, newest first')
    .action(async (id: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      const deliveries = await context.client().scheduling.deliveries(id);
      const rows = deliveries.map((one) => [
        one.run,
        one.attempt,
        one.status || '–',
        one.delivered ? 'delivered' : (one.nextAt ?? 'given up'),
        one.error,
      ]);
      context.say(rows.length === 0 ? 'nothing yet' : table(['run', 'attempt', 'status', 'delivered', ''], rows));
      context.emit({ deliveries });
    });
}

export function webhooksTable(webhooks: readonly WebhookView[]): string {
  const rows = webhooks.map(({ id, url, states, labels, paused }) => [
    id,
    url,
    states.length === 0 ? 'every end' : states.join(', '),
    Object.entries(labels)
      .map(([key, value]) => `${key}=${value}`)
      .join(', '),
    paused ? 'paused' : '',
  ]);
  return table(['webhook', 'url', 'states', 'labels', ''], rows);
}
