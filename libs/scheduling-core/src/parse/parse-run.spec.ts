import { CogmeshError, type Issue } from '@cogmesh/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultRunLimits } from '../limits.js';
import { accessNeededBy, parseRun, readRunInput } from './parse-run.js';
import { findCycle } from './find-cycles.js';

const parse = (document: unknown, limits = defaultRunLimits) =>
  parseRun(JSON.stringify(document), { organisation: 'globex', limits });

function refusal(act: () => unknown): CogmeshError {
  try {
    act();
  } catch (error) {
    if (error instanceof CogmeshError) return error;
    throw error;
  }
  throw new Error('was not refused');
}

const issuesOf = (document: unknown): readonly Issue[] => refusal(() => parse(document)).details.issues ?? [];
const script = (id: string, fields: object = {}) => ({ id, uses: 'script', script: 'return 1', ...fields });

const nested = (id: string, document: object, fields: object = {}) => ({ id, uses: 'run', document, ...fields });
/** A run inside a run inside …, `levels` in all. */
const deep = (levels: number): object => ({ tasks: [levels === 1 ? script('a') : nested('a', deep(levels - 1))] });

const invoice = {
  name: 'read-invoice',
  priority: 7,
  labels: { team: 'payables' },
  deadlineMs: 60_000,
  input: { image: { $blob: 'blob_01J' } },
  tasks: [
    { id: 'detect', uses: 'model:acme/ppocr-detect@^4', input: { image: '${{ input.image }}' } },
    {
      id: 'read',
      uses: 'model:ppocr-recognize',
      forEach: '${{ tasks.detect.output.boxes }}',
      maxParallel: 16,
      input: { image: '${{ input.image }}', box: '${{ item }}' },
      retry: { maxAttempts: 5, backoffMs: 100 },
      timeoutMs: 20_000,
    },
    script('join', { depends: ['read'], input: { lines: '${{ tasks.read.output }}' }, priority: 2 }),
    { id: 'rest', uses: 'sleep', input: { durationMs: 10 } },
    { id: 'look', uses: 'tool:acme/lookup' },
  ],
  output: { text: '${{ tasks.join.output }}' },
};

describe('parseRun', () => {
  it('plans the document of the contract', () => {
    const plan = parse(invoice);
    expect(plan).toMatchObject({ name: 'read-invoice', priority: 7, deadlineMs: 60_000, labels: { team: 'payables' } });
    expect(plan.tasks.map((task) => [task.id, task.uses, task.depends, task.priority])).toEqual([
      ['detect', 'model:acme/ppocr-detect@^4', [], 7],
      ['read', 'model:globex/ppocr-recognize', ['detect'], 7],
      ['join', 'script', ['read'], 2],
      ['rest', 'sleep', [], 7],
      ['look', 'tool:acme/lookup', [], 7],
    ]);
    expect(plan.tasks[1]?.retry).toEqual({ maxAttempts: 5, backoffMs: 100, maxBackoffMs: 30_000, jitter: 0.2 });
  });

  it('knows every right the submitter needs', () => {
    expect(accessNeededBy(parse(invoice), 'globex').map((need) => `${need.action} ${need.resource}`)).toEqual([
      'create /runs',
      'infer /models/acme/ppocr-detect',
      'infer /models/globex/ppocr-recognize',
      'infer /tools/acme/lookup',
      'read /blobs/blob_01J',
    ]);
  });

  it('plans what a task says about failure, placement and waiting', () => {
    const plan = parse({
      priority: 6,
      tasks: [
        script('a', {
          onFailure: 'continue', heartbeatTimeoutMs: 5_000, concurrencyGroup: 'gpu', affinity: { zone: 'b' },
          retry: { factor: 1.5, on: ['engine_crashed'], notOn: ['timeout'] },
        }),
        script('b', { forEach: '${{ input }}', itemFailure: 'continue', onFailure: 'ignore', priority: 1 }),
        { id: 'c', uses: 'approval', input: { message: '${{ tasks.a.output }}', approvers: 2, roles: ['boss'], notBy: 'submitter' } },
        nested('d', { tasks: [{ id: 'x', uses: 'model:ocr', input: { $blob: 'blob_1' } }] }, { priority: 8 }),
      ],
    }); // prettier-ignore
    expect(plan.tasks[0]).toMatchObject({
      onFailure: 'continue', heartbeatTimeoutMs: 5_000, concurrencyGroup: 'gpu', affinity: { zone: 'b' },
      retry: { factor: 1.5, on: ['engine_crashed'], notOn: ['timeout'] },
    }); // prettier-ignore
    expect(plan.tasks[0]?.ownPriority).toBeUndefined();
    expect(plan.tasks[1]).toMatchObject({
      itemFailure: 'continue',
      onFailure: 'ignore',
      priority: 1,
      ownPriority: true,
    });
    expect(plan.tasks[2]).toMatchObject({
      depends: ['a'],
      approval: { approvers: 2, roles: ['boss'], notBy: 'submitter' },
    });
    expect(plan.tasks[3]?.nested).toMatchObject({ priority: 8, tasks: [{ uses: 'model:globex/ocr', priority: 8 }] });
    const inner = (fields: object) =>
      parse({ tasks: [nested('d', { tasks: [script('x')], ...fields })] }).tasks[0]?.nested;
    expect(inner({ priority: 2 })?.tasks[0]).toMatchObject({ priority: 2, ownPriority: true });
    expect(inner({})?.tasks[0]?.ownPriority).toBeUndefined();
    expect(accessNeededBy(plan, 'globex').map((need) => need.resource)).toEqual([
      '/runs',
      '/models/globex/ocr',
      '/blobs/blob_1',
    ]);
    expect(parse(deep(8)).tasks).toHaveLength(1);
  });

  it('takes priority 5 when nothing is said', () => {
    expect(parse({ tasks: [script('a')] }).tasks[0]?.priority).toBe(5);
  });

  const cases: readonly [string, object, string, string, RegExp][] = [
    ['a misspelt dependency', { tasks: [script('detect'), script('b', { depends: ['detct'] })] }, 'tasks[1].depends[0]', 'unknown_task', /no task "detct"; did you mean "detect"\?/],
    ['an unknown field', { tasks: [script('a', { dependsOn: [] })] }, 'tasks[0].dependsOn', 'unknown_field', /did you mean "depends"|no field/],
    ['an unknown run field', { tasks: [script('a')], prioritty: 3 }, 'prioritty', 'unknown_field', /did you mean "priority"/],
    ['a cycle', { tasks: [script('a', { depends: ['b'] }), script('b', { depends: ['a'] })] }, 'tasks', 'cycle', /a -> b -> a|b -> a -> b/],
    ['a cycle made by expressions', { tasks: [script('a', { input: '${{ tasks.b.output }}' }), script('b', { depends: ['a'] })] }, 'tasks', 'cycle', /->/],
    ['a task that depends on itself', { tasks: [script('a', { depends: ['a'] })] }, 'tasks[0].depends[0]', 'cycle', /itself/],
    ['a repeated id', { tasks: [script('a'), script('a')] }, 'tasks[1].id', 'duplicate_id', /tasks\[0\]/],
    ['a bad id', { tasks: [script('Bad')] }, 'tasks[0].id', 'invalid_id', /Bad/],
    ['no tasks', { tasks: [] }, 'tasks', 'required', /at least one/],
    ['a missing script', { tasks: [{ id: 'a', uses: 'script' }] }, 'tasks[0].script', 'required', /required/],
    ['a script where none belongs', { tasks: [{ id: 'a', uses: 'tool:acme/x', script: '1' }] }, 'tasks[0].script', 'misplaced_field', /script/],
    ['maxParallel without forEach', { tasks: [script('a', { maxParallel: 2 })] }, 'tasks[0].maxParallel', 'misplaced_field', /forEach/],
    ['an unknown kind', { tasks: [{ id: 'a', uses: 'modell:x' }] }, 'tasks[0].uses', 'invalid_uses', /none of/],
    ['a bad range', { tasks: [{ id: 'a', uses: 'model:acme/x@four' }] }, 'tasks[0].uses', 'invalid_range', /four/],
    ['a misspelt kind', { tasks: [{ id: 'a', uses: 'aproval' }] }, 'tasks[0].uses', 'invalid_uses', /did you mean "approval"/],
    ['a misspelt policy', { tasks: [script('a', { onFailure: 'ignored' })] }, 'tasks[0].onFailure', 'invalid_choice', /did you mean "ignore"/],
    ['itemFailure without forEach', { tasks: [script('a', { itemFailure: 'continue' })] }, 'tasks[0].itemFailure', 'misplaced_field', /forEach/],
    ['a heartbeat time-out no agent can keep', { tasks: [script('a', { heartbeatTimeoutMs: 100 })] }, 'tasks[0].heartbeatTimeoutMs', 'out_of_range', /5000/],
    ['a group that is no name', { tasks: [script('a', { concurrencyGroup: 'A B' })] }, 'tasks[0].concurrencyGroup', 'invalid_name', /A B/],
    ['an affinity that is no text', { tasks: [script('a', { affinity: { gpu: true } })] }, 'tasks[0].affinity.gpu', 'invalid_type', /a string/],
    ['a misspelt retry field', { tasks: [script('a', { retry: { notOnn: [] } })] }, 'tasks[0].retry.notOnn', 'unknown_field', /did you mean "notOn"/],
    ['a code that is none', { tasks: [script('a', { retry: { on: ['Oops!'] } })] }, 'tasks[0].retry.on[0]', 'invalid_code', /error code/],
    ['a code in both lists', { tasks: [script('a', { retry: { on: ['x', 'y'], notOn: ['y'] } })] }, 'tasks[0].retry.on[1]', 'conflict', /notOn/],
    ['a factor below one', { tasks: [script('a', { retry: { factor: 0.5 } })] }, 'tasks[0].retry.factor', 'out_of_range', /1 to 10/],
    ['three approvers', { tasks: [{ id: 'a', uses: 'approval', input: { approvers: 3 } }] }, 'tasks[0].input.approvers', 'out_of_range', /1 to 2/],
    ['computed approvers', { tasks: [{ id: 'a', uses: 'approval', input: { approvers: '${{ input.n }}' } }] }, 'tasks[0].input.approvers', 'invalid_type', /a number/],
    ['computed roles', { tasks: [{ id: 'a', uses: 'approval', input: { roles: ['${{ input.r }}'] } }] }, 'tasks[0].input.roles[0]', 'invalid_type', /role/],
    ['an approval by nobody that is known', { tasks: [{ id: 'a', uses: 'approval', input: { notBy: 'boss' } }] }, 'tasks[0].input.notBy', 'invalid_choice', /submitter/],
    ['a computed exception', { tasks: [{ id: 'a', uses: 'approval', input: { notBy: '${{ input.x }}' } }] }, 'tasks[0].input.notBy', 'invalid_choice', /submitter/],
    ['a run without document', { tasks: [{ id: 'a', uses: 'run' }] }, 'tasks[0].document', 'required', /document/],
    ['a document elsewhere', { tasks: [script('a', { document: {} })] }, 'tasks[0].document', 'misplaced_field', /run/],
    ['a mistake in a nested run', { tasks: [nested('a', { tasks: [script('x'), script('y', { depends: ['z'] })] })] }, 'tasks[0].document.tasks[1].depends[0]', 'unknown_task', /no task "z"/],
    ['a nested run that reads outside', { tasks: [script('out'), nested('a', { tasks: [script('x', { input: '${{ tasks.out.output }}' })] })] }, 'tasks[1].document.tasks[0].input', 'unknown_task', /no task "out"/],
    ['a cycle in a nested run', { tasks: [nested('a', { tasks: [script('x', { depends: ['y'] }), script('y', { depends: ['x'] })] })] }, 'tasks[0].document.tasks', 'cycle', /->/],
    ['runs nested too deep', deep(9), `tasks[0]${'.document.tasks[0]'.repeat(7)}.document`, 'too_deep', /8 deep/],
    ['a priority out of range', { tasks: [script('a')], priority: 10 }, 'priority', 'out_of_range', /0 to 9/],
    ['a priority that is text', { tasks: [script('a')], priority: 'high' }, 'priority', 'invalid_type', /a number/],
    ['sleep without duration', { tasks: [{ id: 'a', uses: 'sleep' }] }, 'tasks[0].input', 'required', /durationMs/],
    ['a negative sleep', { tasks: [{ id: 'a', uses: 'sleep', input: { durationMs: -1 } }] }, 'tasks[0].input.durationMs', 'out_of_range', /-1/],
    ['broken CEL', { tasks: [script('a', { input: { x: '${{ input. }}' } })] }, 'tasks[0].input.x', 'syntax_error', /character/],
    ['an unclosed expression', { tasks: [script('a', { input: '${{ input.x' })] }, 'tasks[0].input', 'syntax_error', /not closed/],
    ['an unknown name', { tasks: [script('a', { input: '${{ inputs.x }}' })] }, 'tasks[0].input', 'unknown_name', /did you mean "input"/],
    ['item outside forEach', { tasks: [script('a', { input: '${{ item }}' })] }, 'tasks[0].input', 'unknown_name', /forEach/],
    ['an expression about a missing task', { tasks: [script('detect'), script('b', { input: '${{ tasks.detekt.output }}' })] }, 'tasks[1].input', 'unknown_task', /did you mean "detect"/],
    ['a task read whole', { tasks: [script('a'), script('b', { input: '${{ tasks.a }}' })] }, 'tasks[1].input', 'unknown_field', /output/],
    ['a computed task name', { tasks: [script('a'), script('b', { input: '${{ tasks[input.x].output }}' })] }, 'tasks[1].input', 'dynamic_task_name', /name the task/],
    ['a regular expression', { tasks: [script('a', { when: '${{ input.x.matches("(a+)+$") }}' })] }, 'tasks[0].when', 'unavailable_function', /matches/],
    ['a when that is text', { tasks: [script('a', { when: 'yes' })] }, 'tasks[0].when', 'not_an_expression', /exactly one/],
    ['an output about a missing task', { tasks: [script('a')], output: '${{ tasks.b.output }}' }, 'output', 'unknown_task', /no task "b"/],
    ['too many attempts', { tasks: [script('a', { retry: { maxAttempts: 1000 } })] }, 'tasks[0].retry.maxAttempts', 'out_of_range', /100/],
    ['a NUL', { tasks: [script('a')], input: { x: 'a\0b' } }, 'input.x', 'invalid_character', /NUL/],
    ['an object for a label', { tasks: [script('a')], labels: { a: {} } }, 'labels.a', 'invalid_type', /a string/],
    ['a list as document', [], '', 'invalid_type', /an object/],
  ]; // prettier-ignore
  it.each(cases)('refuses %s', (_, document, path, code, message) => {
    const issues = issuesOf(document);
    const issue = issues.find((each) => each.path === path && each.code === code);
    expect(issue, JSON.stringify(issues)).toBeDefined();
    expect(issue?.message).toMatch(message);
  });

  it('reports every problem at once and counts the rest', () => {
    const tasks = Array.from({ length: 150 }, (_, index) => script(`t${index}`, { depends: ['nope'] }));
    const issues = issuesOf({ tasks });
    expect(issues).toHaveLength(101);
    expect(issues.at(-1)?.message).toBe('and 50 more');
  });

  it('takes 10,000 tasks and refuses 10,001', () => {
    const chain = (length: number) =>
      Array.from({ length }, (_, index) => script(`t${index}`, index === 0 ? {} : { depends: [`t${index - 1}`] }));
    expect(parse({ tasks: chain(10_000) }).tasks).toHaveLength(10_000);
    expect(issuesOf({ tasks: chain(10_001) })[0]).toMatchObject({ path: 'tasks', code: 'too_many' });
  });

  it('reads an input that replaces a document’s', () => {
    expect(readRunInput('{"n":1}')).toEqual({ n: 1 });
    expect(refusal(() => readRunInput('{')).code).toBe('invalid_json');
    expect(refusal(() => readRunInput(JSON.stringify('a\0b'))).details.issues?.[0]).toMatchObject({ path: 'input' });
  });

  it('refuses text that is not JSON', () => {
    expect(refusal(() => parseRun('{"tasks": [', { organisation: 'globex' })).code).toBe('invalid_json');
  });

  it('never throws anything but its own error, whatever JSON comes', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const document = {
          tasks: [value, { id: 'a', uses: value, input: value, when: value, depends: value }],
          output: value,
        };
        expect(['invalid_run']).toContain(refusal(() => parse(document)).code);
      }),
    );
  });
});

describe('findCycle', () => {
  it('finds a cycle exactly when depth-first search by hand does', () => {
    const graph = fc.array(fc.tuple(fc.integer({ min: 0, max: 7 }), fc.integer({ min: 0, max: 7 })), { maxLength: 20 });
    fc.assert(
      fc.property(graph, (edges) => {
        const ids = Array.from({ length: 8 }, (_, index) => `t${index}`);
        const depends = new Map(
          ids.map((id, index) => [id, edges.filter(([from]) => from === index).map(([, to]) => `t${to}`)]),
        );
        const reaches = (from: string, to: string, seen = new Set<string>()): boolean =>
          (depends.get(from) ?? []).some(
            (next) => next === to || (!seen.has(next) && reaches(next, to, seen.add(next))),
          );
        const cycle = findCycle(depends);
        expect(cycle !== undefined).toBe(ids.some((id) => reaches(id, id)));
        cycle?.slice(1).forEach((id, index) => expect(depends.get(cycle[index] ?? '')).toContain(id));
      }),
    );
  });
});
