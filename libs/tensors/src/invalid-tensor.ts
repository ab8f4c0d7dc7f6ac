import { CogmeshError } from '@cogmesh/errors';

/** An `invalid_tensor` error with its evidence. */
export function invalidTensor(name: string, expected: string, got: string): CogmeshError {
  return new CogmeshError('invalid_tensor', `tensor "${name}": expected ${expected}, got ${got}`, {
    tensor: name,
    expected,
    got,
  });
}
