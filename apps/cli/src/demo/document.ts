import type { BlobReference, RunDocument } from '@cogmesh/sdk';

/** The main job: find the text boxes of a picture, read each, join the lines. Models are acme's, used by grant. */
export function readInvoice(image: BlobReference): RunDocument {
  return {
    name: 'read-invoice',
    priority: 7,
    labels: { demo: 'true' },
    deadlineMs: 120_000,
    input: { image },
    tasks: [
      { id: 'detect', uses: 'model:acme/ppocr-detect@^4', input: { image: '${{ input.image }}' }, timeoutMs: 30_000 },
      {
        id: 'read',
        uses: 'model:acme/ppocr-recognize@^4',
        depends: ['detect'],
        forEach: '${{ tasks.detect.output.boxes }}',
        maxParallel: 16,
        input: { image: '${{ input.image }}', box: '${{ item }}' },
        retry: { maxAttempts: 3, backoffMs: 200 },
        timeoutMs: 20_000,
      },
      {
        id: 'join',
        uses: 'script',
        depends: ['read'],
        input: { lines: '${{ tasks.read.output }}' },
        script:
          "const text = input.lines.map((line) => line.text).filter((text) => text !== '');\nreturn { lines: text, text: text.join('\\n') };",
      },
    ],
    output: '${{ tasks.join.output }}',
  };
}

/** The same shape, but naming a model that acme denies to partners. */
export function listenIn(): RunDocument {
  return { name: 'listen-in', tasks: [{ id: 'vad', uses: 'model:acme/silero-vad', input: {} }] };
}
