/** Attempts that the registry reports as lost with their agent, whatever the database: exactly as leases that ran out. */
import { schedulerV1, type workV1 } from '@cogmesh/contracts';
import { afterEach, describe, expect, it } from 'vitest';
import { failure, output, type Behaviour } from '../test/fake-agent.js';
import { SchedulerFixture, until, type FixtureOptions } from '../test/scheduler-fixture.js';

const lost = failure('lease_lost', true);
const soon = { maxAttempts: 5, backoffMs: 1 };

/** `where` opens an empty database for each test. */
export function lostWorkContract(name: string, where: () => FixtureOptions): void {
  describe(`work that is lost with its agent on ${name}`, () => {
    let fixture: SchedulerFixture;
    afterEach(() => fixture.close());

    async function begin(behaviour: Behaviour) {
      // With a lease that outlasts the test nothing but the report brings work back.
      fixture = await SchedulerFixture.open({ ...where(), settings: { COGMESH_SCHEDULER_LEASE_MS: '3600000' } });
      const agent = await fixture.addAgent('agent_1', behaviour);
      await fixture.start();
      return agent;
    }
    const submit = (fields: object = {}) =>
      fixture.submit({ tasks: [{ id: 'a', uses: 'script', script: 'return 1', retry: soon, ...fields }] });

    it('is tried again at once, also when nobody had said that it had begun', async () => {
      const seen: workV1.Work[] = [];
      const agent = await begin(({ work }) => {
        seen.push(work);
        return seen.length === 1 ? 'started' : seen.length === 2 ? 'silent' : output(7);
      });
      const { id } = await submit();
      for (const attempt of [1, 2]) {
        await until(`attempt ${attempt}`, () => seen.length === attempt);
        await agent.report(seen[attempt - 1] as workV1.Work, lost);
      }
      const run = await fixture.finished(id);
      expect(await fixture.output(id, 'a')).toBe(7);
      // The second was lost before anybody knew that it had begun, and does not count.
      expect(run.tasks[0]).toMatchObject({ attempt: 2 });
    });

    it('a late success of a lost attempt changes nothing', async () => {
      const seen: workV1.Work[] = [];
      const agent = await begin(({ work }) => {
        seen.push(work);
        return 'started';
      });
      const { id } = await submit();
      const [first] = await until('the first attempt', () => seen.length === 1 && seen);
      await agent.report(first as workV1.Work, lost);
      const [, second] = await until('the second attempt', () => seen.length === 2 && seen);
      await agent.report(first as workV1.Work, output('late'));
      await agent.report(second as workV1.Work, output('right'));
      await fixture.finished(id);
      expect(await fixture.output(id, 'a')).toBe('right');
    });

    it('counts as a loss: what takes down agent after agent is poison', async () => {
      const agent = await begin(() => 'started');
      const { id } = await submit();
      for (const count of [1, 2, 3]) {
        const { work } = await until(`attempt ${count}`, () => agent.received[count - 1]);
        await agent.report(work, lost);
      }
      const run = await fixture.finished(id);
      expect(schedulerV1.RunState[run.state]).toBe('FAILED');
      expect(run.tasks[0]?.error).toMatchObject({ code: 'poison', retryable: false });
      expect(agent.received).toHaveLength(3);
    });
  });
}
