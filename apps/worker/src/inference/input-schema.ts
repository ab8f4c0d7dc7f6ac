/**
 * What a model takes as the input of a task, as JSON Schema: its typed task where it has one, and always raw tensors with the names,
 * datatypes and shapes of its manifest, which was held against the file. It allows whatever `prepareInput` takes of a task; what only
 * the bytes can tell (pictures, how many elements) is left to that.
 */
import type { ModelManifest } from '@cogmesh/inference-core';
import type { TensorSpec } from '@cogmesh/tensors';

type Schema = Readonly<Record<string, unknown>>;

const blob: Schema = { type: 'object', required: ['$blob'], properties: { $blob: { type: 'string' } } };
const point: Schema = { type: 'array', minItems: 2, maxItems: 2, items: { type: 'number' } };
const box: Schema = {
  type: 'object',
  required: ['points'],
  properties: { points: { type: 'array', minItems: 4, maxItems: 4, items: point }, score: { type: 'number' } },
};

const typedTasks: Readonly<Record<Exclude<ModelManifest['task'], 'tensors'>, Readonly<Record<string, Schema>>>> = {
  'ocr.detect': { image: blob },
  'ocr.recognize': { image: blob, box },
  'audio.vad': { audio: blob },
};

/** JSON. */
export function inputSchemaOf({ task, inputs }: Pick<ModelManifest, 'task' | 'inputs'>): string {
  const tensors = tensorsSchema(inputs);
  if (task === 'tensors') {
    return JSON.stringify({ type: 'object', required: ['inputs'], properties: { inputs: tensors } });
  }
  const typed = typedTasks[task];
  return JSON.stringify({
    type: 'object',
    properties: { ...typed, inputs: tensors },
    anyOf: [{ required: Object.keys(typed) }, { required: ['inputs'] }],
  });
}

function tensorsSchema(specs: readonly TensorSpec[]): Schema {
  const names = specs.map(({ name }) => name);
  return {
    type: 'array',
    minItems: specs.length,
    maxItems: specs.length,
    items: {
      type: 'object',
      required: ['name', 'datatype', 'shape', 'data'],
      properties: { name: { enum: names }, shape: { type: 'array' }, data: { type: 'array' } },
      allOf: specs.map(tensorSchema),
    },
    allOf: names.map((name) => ({ contains: named(name), maxContains: 1 })),
  };
}

const named = (name: string): Schema => ({ required: ['name'], properties: { name: { const: name } } });

function tensorSchema({ name, datatype, shape }: TensorSpec): Schema {
  const sizes = shape.map((size) => (size === -1 ? { type: 'integer', minimum: 0 } : { const: size }));
  const dimensions = sizes.length === 0 ? {} : { prefixItems: sizes };
  return {
    if: named(name),
    then: {
      properties: {
        datatype: { const: datatype },
        shape: { ...dimensions, minItems: sizes.length, maxItems: sizes.length },
      },
    },
  };
}
