/** What Fastify and a gRPC client cost alone: the gateway's answers, word for word, without asking who wants them. */
import { schedulerV1 } from '@cogmesh/contracts';
import { createClient, openChannel } from '@cogmesh/rpc';
import fastify from 'fastify';
import { options, ready } from './child.mjs';

const { models, run, scheduler } = options();
const client = createClient(schedulerV1.SchedulerService, openChannel({ target: scheduler }));
const app = fastify();
app.get('/v1/models', async () => models);
app.get('/v1/runs/:id', async ({ params: { id } }) => {
  const answer = await client.getRun({ runId: id });
  return { ...run, id: answer.run.id };
});
await app.listen({ port: 0, host: '127.0.0.1' });
ready(app.server.address().port);
