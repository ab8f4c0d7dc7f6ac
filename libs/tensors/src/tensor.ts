/**
 * A tensor in memory and the rules every codec relies on: known datatype, sane shape, data that fits both. Failures are
 * `invalid_tensor` and say the tensor's name, what was expected and what came.
 */
import { holds, isDatatype, widthOf, type Datatype, type TensorData } from './datatype.js';
import { invalidTensor } from './invalid-tensor.js';
import { tensorLimits } from './limits.js';
import { elementCount } from './shape.js';

export interface Tensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** Checks name, datatype and shape of a tensor that comes from outside; yields its element count. */
export function checkHeader(name: unknown, datatype: unknown, shape: unknown): number {
  if (typeof name !== 'string' || name === '' || name.length > tensorLimits.maxNameLength) {
    throw invalidTensor(
      String(name).slice(0, 64),
      `a name of 1 to ${tensorLimits.maxNameLength} characters`,
      describe(name),
    );
  }
  if (!isDatatype(datatype)) throw invalidTensor(name, 'a datatype such as FP32 or INT64', describe(datatype));
  const elements = elementCount(name, shape);
  const bytes = elements * widthOf(datatype);
  if (bytes > tensorLimits.maxBytes) {
    throw invalidTensor(name, `at most ${tensorLimits.maxBytes} bytes (maxBytes)`, `${bytes} bytes`);
  }
  return elements;
}

/** Checks that data in memory is of its datatype's kind and as long as its shape says. */
export function checkTensor(tensor: Tensor): void {
  const elements = checkHeader(tensor.name, tensor.datatype, tensor.shape);
  if (!holds(tensor.datatype, tensor.data)) {
    throw invalidTensor(tensor.name, `${tensor.datatype} elements`, tensor.data.constructor.name);
  }
  if (tensor.data.length !== elements) {
    throw invalidTensor(
      tensor.name,
      `${elements} elements for shape [${tensor.shape.join(',')}]`,
      `${tensor.data.length} elements`,
    );
  }
}

function describe(value: unknown): string {
  const text = JSON.stringify(value) ?? typeof value;
  return text.length > 64 ? `${text.slice(0, 61)}...` : text;
}
