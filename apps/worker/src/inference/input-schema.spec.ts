import { InputSchema } from '@cogmesh/input-schemas';
import { expect, it } from 'vitest';
import { inputSchemaOf } from './input-schema.js';

const inputs = [
  { name: 'input', datatype: 'FP32', shape: [-1, 576] },
  { name: 'state', datatype: 'FP32', shape: [2, -1, 128] },
  { name: 'sr', datatype: 'INT64', shape: [] },
] as const;

const input = { name: 'input', datatype: 'FP32', shape: [1, 576], data: [] };
const state = { name: 'state', datatype: 'FP32', shape: [2, 1, 128], data: [] };
const sr = { name: 'sr', datatype: 'INT64', shape: [], data: [16_000] };
const $blob = 'blob_01ARZ3NDEKTSV4RRFFQ69G5FAV';
const box = { points: [[0, 0], [9, 0], [9, 9], [0, 9]], score: 0.5 }; // prettier-ignore

type Task = Parameters<typeof inputSchemaOf>[0]['task'];

function problems(task: Task, value: unknown): string[] {
  const schema = new InputSchema(
    inputSchemaOf({ task, inputs: inputs.map((each) => ({ ...each, shape: [...each.shape] })) }),
  );
  return schema
    .check(value, { path: 'input', maxSteps: 100_000 })
    .issues.map(({ path, message }) => `${path} ${message}`);
}

it.each<[Task, unknown]>([
  ['ocr.detect', { image: { $blob, mediaType: 'image/png', bytes: 5 } }],
  ['ocr.recognize', { image: { $blob }, box, note: 'kept by nobody' }],
  ['ocr.recognize', { image: { $blob }, box: { points: box.points } }],
  ['audio.vad', { audio: { $blob } }],
  ['audio.vad', { inputs: [sr, input, state] }],
  ['tensors', { inputs: [input, state, sr] }],
])('%s takes %j', (task, value) => {
  expect(problems(task, value)).toEqual([]);
});

it.each<[Task, unknown, string]>([
  ['ocr.detect', {}, 'input must match one of 2 alternatives: image is required; or inputs is required'],
  ['ocr.detect', { image: 'picture.png' }, 'input.image must be an object, is the text "picture.png"'],
  ['ocr.detect', { image: {} }, 'input.image.$blob is required: a text'],
  [
    'ocr.recognize',
    { image: { $blob }, box: { points: [[0, 0]] } },
    'input.box.points must have at least 4 entries, has 1',
  ],
  ['audio.vad', null, 'input must be an object, is null'],
  ['tensors', { image: { $blob } }, 'input.inputs is required: a list'],
  ['tensors', { inputs: [input, state] }, 'input.inputs must have at least 3 entries, has 2'],
  ['tensors', { inputs: [input, input, sr] }, 'input.inputs must contain'],
  ['tensors', { inputs: [input, { ...state, shape: [2, 1, 64] }, sr] }, 'input.inputs[1].shape[2] must be 128, is 64'],
  ['tensors', { inputs: [input, state, { ...sr, datatype: 'INT32' }] }, 'input.inputs[2].datatype must be "INT64"'],
  [
    'tensors',
    { inputs: [{ ...input, shape: [576] }, state, sr] },
    'input.inputs[0].shape must have at least 2 entries',
  ],
  [
    'tensors',
    { inputs: [input, state, { ...sr, name: 'rate' }] },
    'input.inputs[2].name must be one of "input", "state", "sr"',
  ],
])('%s does not take %j', (task, value, message) => {
  expect(problems(task, value).join('\n')).toContain(message);
});
