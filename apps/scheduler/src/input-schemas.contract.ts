/** Inputs held against the schemas of capabilities, at submit and when they are computed, whatever the database. */
import { CogmeshError } from '@cogmesh/errors';
import { schedulerV1 } from '@cogmesh/contracts';
import { afterEach, describe, expect, it } from 'vitest';
import { output } from '../test/fake-agent.js';
import { SchedulerFixture, until, type FixtureOptions } from '../test/scheduler-fixture.js';
import { readyAgent, type AgentInit } from '../test/neighbours.js';

const lookup = 'tool:globex/lookup';
const sizes = {
  type: 'object',
  required: ['size'],
  additionalProperties: false,
  properties: { size: { type: 'integer', maximum: 9 }, note: { type: 'string' } },
};
const task = (id: string, input: unknown, more: object = {}) => ({ id, uses: lookup, input, ...more });

/** Of an error the caller gets: one line for each issue. */
async function issuesOf(submitted: Promise<unknown>): Promise<string[]> {
  const error = await submitted.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof CogmeshError)) throw new Error('it was accepted');
  expect(error.code).toBe('invalid_input');
  return (error.details.issues ?? []).map(({ path, message }) => `${path}: ${message}`);
}

/** `where` opens an empty database for each test. */
export function inputSchemasContract(name: string, where: () => FixtureOptions): void {
  describe(`inputs against their schemas on ${name}`, () => {
    let fixture: SchedulerFixture;
    afterEach(() => fixture.close());

    /** Agents, each with its schema of each capability; undefined for none. */
    async function begin(
      ...agents: readonly Readonly<Record<string, unknown>>[]
    ): Promise<ReturnType<SchedulerFixture['addAgent']>> {
      fixture = await SchedulerFixture.open(where());
      const added = agents.map(async (schemas, index) => {
        const agent = await fixture.addAgent(`agent_${index}`, ({ input }) => output(input));
        fixture.registry.agents.set(agent.id, announcing(agent.id, schemas));
        return agent;
      });
      const [first] = await Promise.all(added);
      await fixture.start();
      await until('the agents to be known', () =>
        fixture.submit({ tasks: [script] }).then(({ id }) => fixture.finished(id)),
      );
      return first as Awaited<ReturnType<SchedulerFixture['addAgent']>>;
    }

    it('a document is refused with every violation where it stands, nested runs included; nothing is stored', async () => {
      await begin({ [lookup]: sizes });
      const document = {
        tasks: [
          task('right', { size: 1 }),
          task('large', { size: 12 }),
          task('missing', { sise: 1 }),
          { id: 'inner', uses: 'run', document: { tasks: [task('text', { size: 'x' })] } },
        ],
      };
      expect(await issuesOf(fixture.submit(document))).toEqual([
        'tasks[1].input.size: must be at most 9, is 12',
        'tasks[2].input.size: is required: a whole number',
        'tasks[2].input.sise: is not known here; there are "size", "note"',
        'tasks[3].document.tasks[0].input.size: must be a whole number, is the text "x"',
      ]);
      expect(await issuesOf(fixture.submit({ tasks: [{ id: 'none', uses: lookup }] }))).toEqual([
        'tasks[0].input: must be an object, is null',
      ]);
      const listed = await fixture.client.listRuns({}, await fixture.permitted('listRuns'));
      expect(listed.runs).toHaveLength(1);
    });

    it('of an input with expressions the known part is refused at submit, the rest when it is computed', async () => {
      const agent = await begin({ [lookup]: sizes });
      const known = {
        tasks: [task('a', { size: '${{ input.size }}', sise: 1 }), task('b', { size: 'x${{ input.size }}' })],
      };
      expect(await issuesOf(fixture.submit({ ...known, input: { size: 1 } }))).toEqual([
        expect.stringMatching(/^tasks\[0\]\.input\.sise: /),
        'tasks[1].input.size: must be a whole number, is a text',
      ]);
      const { id } = await fixture.submit({
        input: { good: 4, bad: 40 },
        tasks: [
          task('good', { size: '${{ input.good }}' }),
          task('bad', { size: '${{ input.bad }}' }, { onFailure: 'ignore' }),
          task('items', { size: '${{ item }}' }, { forEach: '${{ [1, 50] }}', itemFailure: 'continue' }),
        ],
      });
      const run = await fixture.finished(id);
      const [good, bad] = run.tasks;
      expect(fixture.taskState(run, 'good')).toBe('SUCCEEDED');
      expect(good?.error).toBeUndefined();
      expect(bad?.error).toMatchObject({
        code: 'invalid_input',
        retryable: false,
        message: `${lookup} does not take the input: input.size: must be at most 9, is 40`,
      });
      expect(JSON.parse(bad?.error?.detailsJson ?? '{}')).toMatchObject({ issues: [{ path: 'input.size' }] });
      expect(run.tasks[2]?.items).toMatchObject({ total: 2, succeeded: 1, failed: 1 });
      expect(schedulerV1.RunState[run.state]).toBe('SUCCEEDED');
      expect(agent.attemptsOf('bad')).toEqual([]);
    });

    it('what counts is the highest version that the range allows', async () => {
      const [v1, v2] = ['model:acme/price@1.0.0', 'model:acme/price@2.0.0'];
      await begin({ [v1]: { required: ['old'] }, [v2]: { required: ['new'] } }, { [v1]: { required: ['older'] } });
      const of = (range: string, input: unknown) => ({ tasks: [{ id: 'a', uses: `model:acme/price${range}`, input }] });
      expect(await issuesOf(fixture.submit(of('', {})))).toEqual(['tasks[0].input.new: is required']);
      expect(await issuesOf(fixture.submit(of('@^1', {})))).toEqual(['tasks[0].input.old: is required']);
      await fixture.submit(of('@^1', { older: 1 }));
      await fixture.submit(of('@^3', {}));
    });

    it('where agents differ one that takes it is enough, and one without a schema takes everything', async () => {
      await begin({ [lookup]: { type: 'object' } }, { [lookup]: { type: 'array' } });
      await fixture.submit({ tasks: [task('object', {}), task('list', [])] });
      expect(await issuesOf(fixture.submit({ tasks: [task('text', 'x')] }))).toHaveLength(1);
      fixture.registry.agents.set('agent_1', announcing('agent_1', { [lookup]: undefined }));
      await until('the agent to be known without a schema', () =>
        fixture.submit({ tasks: [task('text', 'x')] }).catch(() => undefined),
      );
      fixture.registry.agents.set('agent_1', announcing('agent_1', { [lookup]: { type: 'array' } }, { state: 4 }));
      await until('the agent to be lost', () =>
        fixture.submit({ tasks: [task('text', 'x')] }).then(
          () => false,
          () => true,
        ),
      );
      expect(await issuesOf(fixture.submit({ tasks: [task('list', [])] }))).toHaveLength(1);
    });
  });
}

const script = { id: 'ready', uses: 'script', script: 'return 1' };

function announcing(id: string, schemas: Readonly<Record<string, unknown>>, more: Partial<AgentInit> = {}): AgentInit {
  const capabilities = [...Object.keys(schemas), 'script'].map((name) => ({
    name,
    credits: 8,
    ready: true,
    inputSchemaJson: JSON.stringify(schemas[name]) ?? '',
  }));
  return { ...readyAgent(id, {}), capabilities, ...more } as AgentInit;
}
