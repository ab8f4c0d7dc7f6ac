import { describe, expect, it } from 'vitest';
import { Dag, defineDag, expr } from './dag.js';
import { mermaid } from './mermaid.js';

interface Extracted {
  readonly pages: readonly { readonly text: string }[];
  readonly 'odd name': number;
}

describe('a run as code', () => {
  it('compiles to the document that could have been written by hand', () => {
    const dag = defineDag<{ strict: boolean }>(
      'books',
      (made) => {
        const extract = made.task<Extracted>('extract', {
          uses: 'model:acme/reader@^1',
          input: { strict: made.input.strict },
        });
        const each = made.task<string[]>('each-page', {
          uses: 'script',
          forEach: extract.output.pages,
          when: expr`${extract.output['odd name']} > 3 && ${made.input.strict} == ${true}`,
          input: { text: made.item.text, at: made.index, first: extract.output.pages[0]?.text },
          script: 'return input.text',
          retry: { maxAttempts: 2, on: ['timeout'] },
        });
        const load = made.task('load', { uses: 'run', document: new Dag('inner', {}), depends: ['extract'] });
        extract.then(each).then(load);
        return { lines: each.output, state: extract.state };
      },
      { priority: 7, input: { strict: true } },
    );
    expect(dag.compile()).toEqual({
      name: 'books',
      priority: 7,
      input: { strict: true },
      tasks: [
        { id: 'extract', uses: 'model:acme/reader@^1', input: { strict: '${{ input.strict }}' } },
        {
          id: 'each-page',
          uses: 'script',
          forEach: '${{ tasks.extract.output.pages }}',
          when: '${{ tasks.extract.output["odd name"] > 3 && input.strict == true }}',
          input: { text: '${{ item.text }}', at: '${{ index }}', first: '${{ tasks.extract.output.pages[0].text }}' },
          script: 'return input.text',
          retry: { maxAttempts: 2, on: ['timeout'] },
          depends: ['extract'],
        },
        { id: 'load', uses: 'run', document: { name: 'inner', tasks: [] }, depends: ['extract', 'each-page'] },
      ],
      output: { lines: '${{ tasks["each-page"].output }}', state: '${{ tasks.extract.state }}' },
    });
    expect(JSON.parse(JSON.stringify(dag))).toEqual(dag.compile());
  });

  it('refuses two tasks of one id, and to be awaited', async () => {
    const dag = new Dag('x');
    const task = dag.task('a', { uses: 'script' });
    expect(() => dag.task('a', { uses: 'script' })).toThrow('already');
    await expect((async () => await (task as unknown as Promise<unknown>))()).rejects.toThrow('not a promise');
  });
});

it('draws named and implied edges, and keeps labels from breaking out', () => {
  const chart = mermaid({
    tasks: [
      { id: 'a', uses: 'script' },
      { id: 'b-1', uses: 'tool:x/y"]', when: '${{ tasks.a.output.ok }}' },
      {
        id: 'c',
        uses: 'approval',
        depends: ['a'],
        input: { message: 'tasks.z is no edge: ${{ tasks["b-1"].output }}' },
      },
    ],
  });
  expect(chart.split('\n')).toEqual([
    'flowchart TD',
    '  t0["a<br/>script"]',
    '  t1["b-1<br/>tool:x/y#34;]<br/>conditional"]',
    '  t2{{"c<br/>approval"}}',
    '  t0 --> t1',
    '  t0 --> t2',
    '  t1 --> t2',
    '',
  ]);
});
