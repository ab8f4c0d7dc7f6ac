/** Shape arithmetic. A shape is a list of dimensions, each 0 or more; in a specification -1 stands for any size. */
import { invalidTensor } from './invalid-tensor.js';
import { tensorLimits } from './limits.js';

/** Product of the dimensions; 1 for a scalar's empty shape. Throws `invalid_tensor` for what is not a sane shape. */
export function elementCount(name: string, shape: unknown): number {
  if (!Array.isArray(shape)) throw invalidTensor(name, 'a shape as a list of sizes', typeof shape);
  if (shape.length > tensorLimits.maxRank) {
    throw invalidTensor(name, `at most ${tensorLimits.maxRank} dimensions (maxRank)`, `${shape.length}`);
  }
  let count = 1;
  for (const size of shape as unknown[]) {
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
      throw invalidTensor(name, 'dimensions that are whole numbers from 0', JSON.stringify(size) ?? typeof size);
    }
    count *= size;
  }
  if (count > tensorLimits.maxElements) {
    throw invalidTensor(
      name,
      `at most ${tensorLimits.maxElements} elements (maxElements)`,
      `shape [${shape.join(',')}]`,
    );
  }
  return count;
}

/** Whether a shape has the specification's rank and every fixed dimension's size. */
export function matchesShape(specification: readonly number[], shape: readonly number[]): boolean {
  return (
    specification.length === shape.length && specification.every((size, axis) => size === -1 || size === shape[axis])
  );
}
