/**
 * The Open Inference Protocol's datatypes: their names, widths and the typed array each one lives in here.
 * FP16 lives as its bit pattern (`Uint16Array`), BOOL as bytes 0 and 1, BYTES as a list of byte strings.
 */

export const datatypes = [
  'BOOL',
  'INT8',
  'INT16',
  'INT32',
  'INT64',
  'UINT8',
  'UINT16',
  'UINT32',
  'UINT64',
  'FP16',
  'FP32',
  'FP64',
  'BYTES',
] as const;

export type Datatype = (typeof datatypes)[number];

export type NumericArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | BigUint64Array
  | BigInt64Array
  | Float32Array
  | Float64Array;

/** Row-major elements: numbers in a typed array, or one byte string per element for BYTES. */
export type TensorData = NumericArray | readonly Uint8Array[];

type NumericArrayConstructor = new (buffer: ArrayBuffer, byteOffset: number, length: number) => NumericArray;

interface NumericType {
  /** Width of one element, bytes. */
  readonly width: number;
  readonly array: NumericArrayConstructor;
}

const numericTypes: Readonly<Record<Exclude<Datatype, 'BYTES'>, NumericType>> = {
  BOOL: { width: 1, array: Uint8Array },
  INT8: { width: 1, array: Int8Array },
  INT16: { width: 2, array: Int16Array },
  INT32: { width: 4, array: Int32Array },
  INT64: { width: 8, array: BigInt64Array },
  UINT8: { width: 1, array: Uint8Array },
  UINT16: { width: 2, array: Uint16Array },
  UINT32: { width: 4, array: Uint32Array },
  UINT64: { width: 8, array: BigUint64Array },
  FP16: { width: 2, array: Uint16Array },
  FP32: { width: 4, array: Float32Array },
  FP64: { width: 8, array: Float64Array },
};

/** Whether the text names a datatype of the protocol; names are upper case. */
export function isDatatype(value: unknown): value is Datatype {
  return typeof value === 'string' && (datatypes as readonly string[]).includes(value);
}

/** Bytes per element; 0 for BYTES, whose elements vary. */
export function widthOf(datatype: Datatype): number {
  return datatype === 'BYTES' ? 0 : numericTypes[datatype].width;
}

/** A zeroed array of the datatype's own kind. */
export function allocate(datatype: Exclude<Datatype, 'BYTES'>, length: number): NumericArray {
  const { width, array } = numericTypes[datatype];
  return new array(new ArrayBuffer(length * width), 0, length);
}

/** Whether the array is the one the datatype lives in. */
export function holds(datatype: Datatype, data: TensorData): boolean {
  if (datatype === 'BYTES') return Array.isArray(data);
  return data instanceof numericTypes[datatype].array;
}
