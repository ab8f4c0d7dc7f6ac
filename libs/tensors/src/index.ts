export { decodeBinary, encodeBinary } from './binary-codec.js';
export {
  allocate,
  datatypes,
  isDatatype,
  widthOf,
  type Datatype,
  type NumericArray,
  type TensorData,
} from './datatype.js';
export { float16ToNumber, numberToFloat16 } from './float16.js';
export { invalidTensor } from './invalid-tensor.js';
export { jsonOfTensor, tensorOfJson, type JsonTensor } from './json-codec.js';
export { tensorLimits } from './limits.js';
export { elementCount, matchesShape } from './shape.js';
export { checkTensor, type Tensor } from './tensor.js';
export { validateTensors, type TensorSpec } from './validate.js';
