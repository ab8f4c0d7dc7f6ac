/** Holds the tensors of a request against what a model takes, before they may join a batch. */
import { CogmeshError } from '@cogmesh/errors';
import type { Datatype } from './datatype.js';
import { invalidTensor } from './invalid-tensor.js';
import { tensorLimits } from './limits.js';
import { matchesShape } from './shape.js';
import { checkTensor, type Tensor } from './tensor.js';

/** One input or output as a model declares it. */
export interface TensorSpec {
  readonly name: string;
  readonly datatype: Datatype;
  /** -1 for a dimension of any size. */
  readonly shape: readonly number[];
}

/**
 * Throws `invalid_tensor` at the first tensor that is missing, unknown, named twice, or of the wrong datatype, shape or
 * length; the error says the name, what was expected and what came.
 */
export function validateTensors(tensors: readonly Tensor[], specs: readonly TensorSpec[]): void {
  if (tensors.length > tensorLimits.maxTensors) {
    const message = `at most ${tensorLimits.maxTensors} tensors (maxTensors), got ${tensors.length}`;
    throw new CogmeshError('invalid_tensor', message, { expected: tensorLimits.maxTensors, got: tensors.length });
  }
  const byName = new Map<string, Tensor>();
  for (const tensor of tensors) {
    if (byName.has(tensor.name)) throw invalidTensor(tensor.name, 'each input once', 'it twice');
    byName.set(tensor.name, tensor);
  }
  for (const spec of specs) validateOne(byName.get(spec.name), spec);
  const unknown = tensors.find((tensor) => !specs.some((spec) => spec.name === tensor.name));
  if (unknown)
    throw invalidTensor(unknown.name, `only ${specs.map((spec) => spec.name).join(', ')}`, 'an unknown input');
}

function validateOne(tensor: Tensor | undefined, spec: TensorSpec): void {
  const expected = `${spec.datatype} [${spec.shape.join(',')}]`;
  if (!tensor) throw invalidTensor(spec.name, expected, 'nothing');
  if (tensor.datatype !== spec.datatype || !matchesShape(spec.shape, tensor.shape)) {
    throw invalidTensor(spec.name, expected, `${tensor.datatype} [${tensor.shape.join(',')}]`);
  }
  checkTensor(tensor);
}
