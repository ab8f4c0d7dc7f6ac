import { startPostgres, type TestPostgres } from '@cogmesh/testkit';
import { schedulerV1 } from '@cogmesh/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { output } from '../test/fake-agent.js';
import { SchedulerFixture, until } from '../test/scheduler-fixture.js';
import { schedulerContract } from './scheduler.contract.js';

let server: TestPostgres;
let schemas = 0;
const fresh = () => ({ postgresUrl: server.url, schema: `scheduler_${(schemas += 1)}` });

beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.stop());

schedulerContract('PostgreSQL', fresh);

describe('a database that is down', () => {
  it('in the middle of a run loses nothing, and the scheduler recovers by itself', async () => {
    const fixture = await SchedulerFixture.open(fresh());
    try {
      const agent = await fixture.addAgent('agent_1', ({ input }) => output(input));
      await fixture.start();
      const list = Array.from({ length: 150 }, (_, index) => index);
      const each = {
        id: 'each',
        uses: 'script',
        script: 'return input',
        forEach: '${{ input }}',
        input: '${{ item }}',
      };
      const { id } = await fixture.submit({ input: list, tasks: [each], output: '${{ tasks.each.output }}' });
      await until('some items', () => agent.received.length >= 30);
      await server.restart('immediate');
      expect(agent.received.length).toBeLessThan(150);
      const run = await until('the run to end', async () => {
        const now = await fixture.run(id).catch(() => undefined);
        return now?.finishedAt === undefined ? undefined : now;
      });
      expect(schedulerV1.RunState[run.state]).toBe('SUCCEEDED');
      expect(await fixture.output(id)).toEqual(list);
    } finally {
      await fixture.close();
    }
  });
});
