/**
 * Turns a task's JSON input into what an engine takes, and refuses before the queue what no engine should see: another
 * shape of input, tensors that do not fit the model, pictures and audio that are broken, too large, or something else.
 */
import { CogmeshError } from '@cogmesh/errors';
import { tensorOfJson, validateTensors, type Tensor } from '@cogmesh/tensors';
import { z } from 'zod';
import type { ModelToLoad, Payload, TaskInput } from '../engine/protocol.js';
import { checkImage } from '../media/image-header.js';
import { readWav } from '../media/wav.js';

/** Bytes behind a reference inside the input; `key` when they may be kept in an engine under that name. */
export interface ReadBytes {
  readonly bytes: Uint8Array;
  readonly key?: string;
}

/** Resolves `{ "$blob": … }` or `{ "$bytes": … }`. */
export type ReadReference = (reference: Readonly<Record<string, unknown>>) => Promise<ReadBytes>;

export interface PreparedInput {
  readonly input: TaskInput;
  /** What the input names as shelved. */
  readonly blobs: ReadonlyMap<string, Uint8Array>;
}

const reference = z.union([z.looseObject({ $blob: z.string() }), z.looseObject({ $bytes: z.string() })]);
const point = z.tuple([z.number(), z.number()]);
const box = z.object({ points: z.tuple([point, point, point, point]), score: z.number().default(1) });

const schemas = {
  'ocr.detect': z.object({ image: reference }),
  'ocr.recognize': z.object({ image: reference, box }),
  'audio.vad': z.object({ audio: reference }),
} as const;

/** Throws `invalid_input`, `invalid_tensor`, `invalid_image`, `invalid_audio`, or what reading a reference throws. */
export async function prepareInput(model: ModelToLoad, value: unknown, read: ReadReference): Promise<PreparedInput> {
  if (isRawTensors(value)) return prepareTensors(model, value.inputs.map(tensorOfJson));
  switch (model.manifest.task) {
    case 'tensors':
      throw new CogmeshError('invalid_input', `${model.key} takes { inputs: [{ name, datatype, shape, data }] }`);
    case 'ocr.detect': {
      const { image } = parsed(model, schemas['ocr.detect'], value);
      const { payload, blobs } = await readChecked(image, read, checkImage);
      return { input: { task: 'ocr.detect', image: payload }, blobs };
    }
    case 'ocr.recognize': {
      const input = parsed(model, schemas['ocr.recognize'], value);
      const { payload, blobs } = await readChecked(input.image, read, checkImage);
      return { input: { task: 'ocr.recognize', image: payload, box: input.box }, blobs };
    }
    case 'audio.vad': {
      const { audio } = parsed(model, schemas['audio.vad'], value);
      const { payload, blobs } = await readChecked(audio, read, readWav);
      return { input: { task: 'audio.vad', audio: payload }, blobs };
    }
  }
}

/** Raw tensors, held against the manifest. Throws `invalid_tensor`. */
export function prepareTensors(model: ModelToLoad, tensors: readonly Tensor[]): PreparedInput {
  validateTensors(tensors, model.manifest.inputs);
  return { input: { task: 'tensors', tensors }, blobs: new Map() };
}

/** JSON text of an input; `invalid_json` for anything else. */
export function parseInput(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (thrown) {
    throw new CogmeshError(
      'invalid_json',
      `the input is no JSON: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
    );
  }
}

function isRawTensors(value: unknown): value is { inputs: unknown[] } {
  return typeof value === 'object' && value !== null && 'inputs' in value && Array.isArray(value.inputs);
}

function parsed<S extends z.ZodType>(model: ModelToLoad, schema: S, value: unknown): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issues = result.error.issues.map(({ path, code, message }) => ({ path: path.join('.'), code, message }));
  const summary = issues.map((issue) => `${issue.path || 'input'}: ${issue.message}`).join('; ');
  throw new CogmeshError('invalid_input', `the input of ${model.key} (${model.manifest.task}) is wrong: ${summary}`, {
    issues,
  });
}

async function readChecked(
  at: Readonly<Record<string, unknown>>,
  read: ReadReference,
  check: (bytes: Uint8Array) => unknown,
): Promise<{ payload: Payload; blobs: ReadonlyMap<string, Uint8Array> }> {
  const { bytes, key } = await read(at);
  check(bytes);
  if (key === undefined) return { payload: { bytes }, blobs: new Map() };
  return { payload: { shelved: key }, blobs: new Map([[key, bytes]]) };
}
