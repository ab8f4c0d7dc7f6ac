/** Tensors as the contract carries them, and as the worker has them. */
import type { inferenceV1 } from '@cogmesh/contracts';
import { decodeBinary, encodeBinary, invalidTensor, isDatatype, tensorLimits, type Tensor } from '@cogmesh/tensors';

/** Throws `invalid_tensor`. */
export function tensorsOfPayload(payload: inferenceV1.TensorPayload): Tensor[] {
  const { tensors } = payload;
  const bytes = tensors.reduce((sum, tensor) => sum + tensor.data.byteLength, 0);
  if (bytes > tensorLimits.maxBytes)
    throw invalidTensor('*', `at most ${tensorLimits.maxBytes} bytes in all (maxBytes)`, `${bytes}`);
  return tensors.map(({ name, datatype, shape, data }) => {
    if (!isDatatype(datatype)) throw invalidTensor(name, 'a datatype such as FP32 or INT64', datatype);
    return decodeBinary({ name, datatype, shape: shape.map(Number) }, data);
  });
}

export function payloadOfTensors(tensors: readonly Tensor[]) {
  return {
    tensors: tensors.map((tensor) => ({
      name: tensor.name,
      datatype: tensor.datatype,
      shape: tensor.shape.map(BigInt),
      data: encodeBinary(tensor) as Uint8Array<ArrayBuffer>,
    })),
  };
}
