import type { Command } from 'commander';
import type { AgentView } from '@cogmesh/sdk';
import { table } from '../output/table.js';
import type { WithContext } from '../program.js';

export function addAgents(program: Command, contextOf: WithContext): void {
  program
    .command('agents')
    .description('agents of the organisation: what they can do and how they are')
    .option('--schemas', 'what each capability takes as input, as JSON Schema')
    .action(async (options: { schemas?: true }, command: Command) => {
      const context = contextOf(command);
      const agents = await context.client().agents();
      const rows = agents.map((agent) => [
        agent.id,
        agent.name,
        agent.kind,
        agent.state,
        agent.capabilities.map(capabilityText).join(', '),
      ]);
      context.say(
        rows.length === 0 ? 'no agent is connected' : table(['agent', 'name', 'kind', 'state', 'capabilities'], rows),
      );
      if (options.schemas) context.say(schemasOf(agents).join('\n'));
      context.emit({ agents });
    });
}

/** Slots are told where the mesh may change them. */
const capabilityText = ({ name, credits, maxCredits }: AgentView['capabilities'][number]): string =>
  maxCredits > 0 ? `${name} (${credits} of ${maxCredits} slots)` : name;

/** Each schema once: agents of the same program share theirs. */
function schemasOf(agents: readonly AgentView[]): string[] {
  const said = agents.flatMap(({ capabilities }) =>
    capabilities.map(({ name, inputSchema }) => `\n${name}: ${inputSchemaText(inputSchema)}`),
  );
  return [...new Set(said)];
}

const inputSchemaText = (schema: unknown): string =>
  schema === undefined || schema === null ? 'its input is not checked' : JSON.stringify(schema, null, 2);
