import { CogmeshError } from '@cogmesh/errors';
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../json.js';
import { parseRun } from '../parse/parse-run.js';
import { bindSchedule } from './bind-schedule.js';

const schedule = { id: 'schedule_1', name: 'nightly', timeMs: Date.parse('2026-03-29T01:00:00Z') };
const time = '2026-03-29T01:00:00.000Z';
const bind = (document: unknown): JsonObject =>
  JSON.parse(bindSchedule(JSON.stringify(document), schedule, 10_000)) as JsonObject;
const script = { id: 'a', uses: 'script', script: 'return "${{ schedule.time }}"' };

describe('the document of one firing', () => {
  it('has the time in its input, as value and inside text', () => {
    const { input } = bind({
      input: {
        at: '${{ schedule.time }}',
        file: 'day-${{ schedule.time.split("T")[0] }}.csv',
        all: '${{ schedule }}',
        escaped: '$${{ schedule.time }}',
        list: [1, '${{ schedule.name == "nightly" }}'],
      },
      tasks: [script],
    });
    expect(input).toEqual({
      at: time,
      file: 'day-2026-03-29.csv',
      all: { id: 'schedule_1', name: 'nightly', time },
      escaped: '${{ schedule.time }}',
      list: [1, true],
    });
  });

  it('has it in every expression of tasks and output, beside other names, and never in scripts', () => {
    const bound = bind({
      input: 1,
      tasks: [
        { ...script, input: { at: '${{ schedule.time }}', both: '${{ [input, schedule.time, schedule["name"]] }}' } },
        {
          id: 'b',
          uses: 'script',
          script: 'return 1',
          when: '${{ schedule.time > "2026" }}',
          input: '$${{ schedule }}',
        },
      ],
      output: 'of ${{ schedule.time }}: ${{ tasks.a.output.schedule }}',
    });
    const plan = parseRun(JSON.stringify(bound), { organisation: 'globex' });
    const literal = `({"id":"schedule_1","name":"nightly","time":"${time}"})`;
    expect(plan.tasks[0]?.input).toEqual({
      at: `\${{ ${literal}.time }}`,
      both: `\${{ [input, ${literal}.time, ${literal}["name"]] }}`,
    });
    expect(plan.tasks[0]?.script).toBe(script.script);
    expect(plan.tasks[1]?.input).toBe('$${{ schedule }}');
    expect(plan.output).toBe(`of \${{ ${literal}.time }}: \${{ tasks.a.output.schedule }}`);
  });

  it('carries the name of its schedule', () => {
    expect(bind({ tasks: [script] })).toMatchObject({ name: 'nightly', labels: { schedule: 'nightly' } });
    expect(bind({ name: 'own', labels: { team: 'x', schedule: 'y' }, tasks: [script] })).toMatchObject({
      name: 'own',
      labels: { team: 'x', schedule: 'nightly' },
    });
  });

  it('is refused when its input reads anything else', () => {
    const attempt = (): unknown => bind({ input: '${{ tasks.a.output }}', tasks: [script] });
    expect(attempt).toThrow(CogmeshError);
    expect(attempt).toThrow(/sees only "schedule"/);
    expect(() => bindSchedule('{', schedule, 1)).toThrow(/not valid JSON/);
  });

  it('leaves what is wrong for the run’s parser to say', () => {
    expect(bind({ tasks: [{ ...script, input: '${{ schedule. }}' }], labels: 3 })).toMatchObject({ labels: 3 });
    expect(bindSchedule('[1]', schedule, 1)).toBe('[1]');
  });
});
