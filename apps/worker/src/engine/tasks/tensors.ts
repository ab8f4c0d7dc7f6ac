/**
 * Raw tensors. Requests of one batch whose shapes agree beyond the first dimension are joined along it, run once and
 * split again; others run by themselves. Only models that declare `maxBatch` over 1 ever see a joined batch.
 */
import { CogmeshError } from '@cogmesh/errors';
import { allocate, type Datatype, type NumericArray, type Tensor } from '@cogmesh/tensors';
import { Tensor as OnnxTensor } from 'onnxruntime-node';
import type { ItemOutcome, TaskInput } from '../protocol.js';
import { datatypeOf, onnxTypeOf } from '../session.js';
import { wrongTask, type TaskContext, type TaskRunner } from './task.js';

export function tensorsTask({ session, model }: TaskContext): TaskRunner {
  const run = async (tensors: readonly Tensor[]): Promise<readonly Tensor[]> => {
    const feeds = Object.fromEntries(tensors.map((tensor) => [tensor.name, toOnnx(tensor)]));
    const outputs = await session.run(feeds);
    return model.manifest.outputs.map(({ name }) => fromOnnx(name, outputs[name] as OnnxTensor));
  };
  return async (items) => {
    const requests = items.map((item) => tensorsOf(item, model));
    const outcomes = new Array<ItemOutcome>(requests.length);
    for (const group of joinable(requests)) {
      const answers = await runGroup(
        group.map((index) => requests[index] as readonly Tensor[]),
        run,
      );
      group.forEach((index, place) => {
        outcomes[index] = { ok: true, value: { kind: 'tensors', tensors: answers[place] ?? [] } };
      });
    }
    return outcomes;
  };
}

function tensorsOf(item: TaskInput, model: TaskContext['model']): readonly Tensor[] {
  if (item.task !== 'tensors') throw wrongTask(model, item);
  return item.tensors;
}

/** Indexes of the requests that may run together. */
function joinable(requests: readonly (readonly Tensor[])[]): number[][] {
  const groups = new Map<string, number[]>();
  requests.forEach((tensors, index) => {
    const joins = tensors.every((tensor) => tensor.datatype !== 'BYTES' && tensor.shape.length > 0);
    const shapes = tensors.map(({ name, shape }) => `${name}:${shape.slice(1).join('x')}`);
    const key = joins ? shapes.toSorted().join(' ') : `alone ${index}`;
    groups.set(key, [...(groups.get(key) ?? []), index]);
  });
  return [...groups.values()];
}

async function runGroup(
  requests: readonly (readonly Tensor[])[],
  run: (tensors: readonly Tensor[]) => Promise<readonly Tensor[]>,
): Promise<readonly (readonly Tensor[])[]> {
  const first = requests[0] ?? [];
  if (requests.length === 1) return [await run(first)];
  const rows = requests.map((tensors) => tensors[0]?.shape[0] ?? 0);
  const joined = first.map(({ name }) =>
    join(requests.map((tensors) => tensors.find((tensor) => tensor.name === name) as Tensor)),
  );
  const outputs = await run(joined);
  const total = rows.reduce((sum, count) => sum + count, 0);
  if (outputs.some((output) => output.datatype === 'BYTES' || output.shape[0] !== total)) {
    throw new CogmeshError('invalid_model', 'an output has no batch dimension; the model cannot have maxBatch over 1');
  }
  let start = 0;
  return rows.map((count) => {
    start += count;
    return outputs.map((output) => slice(output, start - count, count));
  });
}

function join(parts: readonly Tensor[]): Tensor {
  const { name, datatype, shape } = parts[0] as Tensor;
  const data = allocate(
    datatype as Exclude<Datatype, 'BYTES'>,
    parts.reduce((sum, part) => sum + part.data.length, 0),
  );
  let offset = 0;
  for (const part of parts) {
    data.set(part.data as never, offset);
    offset += part.data.length;
  }
  const rows = parts.reduce((sum, part) => sum + (part.shape[0] ?? 0), 0);
  return { name, datatype, shape: [rows, ...shape.slice(1)], data };
}

function slice(tensor: Tensor, start: number, count: number): Tensor {
  const width = tensor.shape.slice(1).reduce((product, size) => product * size, 1);
  const data = (tensor.data as NumericArray).slice(start * width, (start + count) * width);
  return { ...tensor, shape: [count, ...tensor.shape.slice(1)], data };
}

function toOnnx({ datatype, shape, data }: Tensor): OnnxTensor {
  const elements =
    datatype === 'BYTES' ? (data as readonly Uint8Array[]).map((bytes) => new TextDecoder().decode(bytes)) : data;
  return new OnnxTensor(onnxTypeOf(datatype), elements as never, [...shape]);
}

function fromOnnx(name: string, { type, dims, data }: OnnxTensor): Tensor {
  const datatype = datatypeOf(type);
  const elements =
    datatype === 'BYTES'
      ? (data as string[]).map((text) => new TextEncoder().encode(text))
      : ownKind(datatype, data as NumericArray);
  return { name, datatype, shape: [...dims], data: elements };
}

/** The runtime may hand out FP16 as a Float16Array; here it lives as bit patterns. */
function ownKind(datatype: Datatype, data: NumericArray): NumericArray {
  if (datatype !== 'FP16' || data instanceof Uint16Array) return data;
  return new Uint16Array(data.buffer as ArrayBuffer, data.byteOffset, data.length);
}
