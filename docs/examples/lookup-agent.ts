/**
 * An agent of your own: a plain process that serves `tool:acme/lookup` to runs. It knows one address and one token, and
 * nothing of brokers or databases. Beside a mesh that `./cogmesh up` started:
 *
 *   COGMESH_REGISTRY_ADDRESS=$(node -p 'require("./.cogmesh/endpoint.json").registry') \
 *   COGMESH_TOKEN=$(./cogmesh token) node docs/examples/lookup-agent.ts
 */
import { env } from 'node:process';
import { CogmeshError, createAgent } from '@cogmesh/sdk';

const customers = new Map([
  ['C-1001', { name: 'Ada Lovelace', country: 'GB' }],
  ['C-1002', { name: '王小明', country: 'CN' }],
]);

const agent = createAgent({
  registry: env['COGMESH_REGISTRY_ADDRESS'] ?? '127.0.0.1:7040',
  token: env['COGMESH_TOKEN'] ?? '',
  name: 'lookup-example',
});

agent.handle<{ customer: string }>(
  'acme/lookup',
  ({ customer }) => {
    const found = customers.get(customer);
    if (!found) throw new CogmeshError('not_found', `no customer ${customer}`);
    return { customer, ...found };
  },
  { concurrency: 4 },
);

// SIGTERM makes it finish what it has and leave.
await agent.start();
await agent.closed;
