/**
 * An agent in 20 lines: it serves the tool `acme/lookup`, so a run's task may say `"uses": "tool:acme/lookup"`.
 *
 *   node docs/examples/lookup-agent.ts <registry host:port> <token>
 */
import { CogmeshError, createAgent } from '@cogmesh/sdk';

const [registry = '127.0.0.1:7040', token = ''] = process.argv.slice(2);
const prices = new Map([
  ['tea', 3.2],
  ['coffee', 4.5],
]);

const agent = createAgent({ registry, token, name: 'lookup' });

agent.handle<{ article: string }>(
  'acme/lookup',
  async ({ article }, ctx) => {
    ctx.progress({ looking: article });
    const price = prices.get(article);
    if (price === undefined) throw new CogmeshError('not_found', `no price for "${article}"`);
    return { article, price, attempt: ctx.attempt };
  },
  { concurrency: 4 },
);

await agent.start();
process.stdout.write(`serving acme/lookup as ${agent.id}\n`);
await agent.closed;
