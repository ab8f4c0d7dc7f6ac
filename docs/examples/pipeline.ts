// A run as code: `cogmesh run pipeline.ts --watch`, or `cogmesh run --graph pipeline.ts` to see it.
import { defineDag } from '@cogmesh/sdk';

interface Page {
  readonly text: string;
  readonly words: number;
}

export const dag = defineDag<{ readonly texts: readonly string[] }>(
  'pipeline',
  (dag) => {
    const extract = dag.task<Page[]>('extract', {
      uses: 'script',
      forEach: dag.input.texts,
      input: { text: dag.item },
      script: 'return { text: input.text.trim(), words: input.text.trim().split(/\\s+/).length }',
      retry: { maxAttempts: 3, backoffMs: 100 },
    });
    const transform = dag.task<{ total: number }>('transform', {
      uses: 'script',
      input: { pages: extract.output },
      script: 'return { total: input.pages.reduce((sum, page) => sum + page.words, 0) }',
    });
    const load = dag.task<string>('load', {
      uses: 'script',
      input: { total: transform.output.total, first: extract.output[0]?.text },
      script: 'return `${input.total} words, beginning with "${input.first}"`',
    });
    extract.then(transform).then(load);
    return load.output;
  },
  { input: { texts: ['  one two three ', 'four five'] } },
);
