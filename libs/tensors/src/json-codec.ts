/**
 * The protocol's JSON form: `{ name, datatype, shape, data }`, data flat or nested as the shape. What JSON cannot say
 * exactly travels as text: 64-bit integers beyond 2^53 and the floats NaN, Infinity, -Infinity. A number JSON has already
 * rounded is refused rather than guessed.
 */
import { allocate, type Datatype, type NumericArray } from './datatype.js';
import { float16ToNumber, numberToFloat16 } from './float16.js';
import { invalidTensor } from './invalid-tensor.js';
import { tensorLimits } from './limits.js';
import { checkHeader, checkTensor, type Tensor } from './tensor.js';

export interface JsonTensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  /** Row-major and flat. */
  readonly data: readonly (number | string | boolean)[];
}

const integerRanges: Partial<Record<Datatype, readonly [number, number]>> = {
  INT8: [-128, 127],
  INT16: [-32_768, 32_767],
  INT32: [-2_147_483_648, 2_147_483_647],
  UINT8: [0, 255],
  UINT16: [0, 65_535],
  UINT32: [0, 4_294_967_295],
};

const wideRanges: Partial<Record<Datatype, readonly [bigint, bigint]>> = {
  INT64: [-(2n ** 63n), 2n ** 63n - 1n],
  UINT64: [0n, 2n ** 64n - 1n],
};

const textFloats: Readonly<Record<string, number>> = { NaN, Infinity, '-Infinity': -Infinity };

/** The tensor a parsed JSON value describes; `invalid_tensor` when it does not describe one. */
export function tensorOfJson(value: unknown): Tensor {
  if (typeof value !== 'object' || value === null)
    throw invalidTensor('?', 'an object { name, datatype, shape, data }', typeof value);
  const { name, datatype, shape, data } = value as Record<string, unknown>;
  const elements = checkHeader(name, datatype, shape);
  const header = { name: name as string, datatype: datatype as Datatype, shape: shape as readonly number[] };
  const flat = flatten(header.name, data, { shape: header.shape, elements });
  return {
    ...header,
    data: header.datatype === 'BYTES' ? flat.map((v) => readByteString(header.name, v)) : readNumbers(header, flat),
  };
}

/** The JSON form, data flat. BYTES elements must be UTF-8 text. */
export function jsonOfTensor(tensor: Tensor): JsonTensor {
  checkTensor(tensor);
  const { name, datatype, shape } = tensor;
  return {
    name,
    datatype,
    shape,
    data: Array.from(tensor.data as ArrayLike<unknown>, (element) => writeElement(tensor, element)),
  };
}

function flatten(
  name: string,
  data: unknown,
  want: { shape: readonly number[]; elements: number },
): readonly unknown[] {
  if (!Array.isArray(data)) throw invalidTensor(name, 'data as a list', typeof data);
  const nested = data.some(Array.isArray);
  const flat: readonly unknown[] = nested ? flattenNested(name, data, want.shape) : data;
  if (flat.length !== want.elements) {
    throw invalidTensor(
      name,
      `${want.elements} elements for shape [${want.shape.join(',')}]`,
      `${flat.length} elements`,
    );
  }
  return flat;
}

function flattenNested(name: string, data: readonly unknown[], shape: readonly number[]): unknown[] {
  let level: unknown[] = [data];
  for (const size of shape) {
    const next: unknown[] = [];
    for (const row of level) {
      if (!Array.isArray(row) || row.length !== size) {
        throw invalidTensor(
          name,
          `nesting as shape [${shape.join(',')}]`,
          Array.isArray(row) ? `a row of ${row.length}` : 'a lone element',
        );
      }
      for (const item of row as unknown[]) next.push(item);
    }
    level = next;
  }
  return level;
}

function readNumbers(header: { name: string; datatype: Datatype }, flat: readonly unknown[]): NumericArray {
  const data = allocate(header.datatype as Exclude<Datatype, 'BYTES'>, flat.length);
  flat.forEach((element, index) => {
    data[index] = readElement(header, element) as never;
  });
  return data;
}

function readElement({ name, datatype }: { name: string; datatype: Datatype }, element: unknown): number | bigint {
  if (datatype === 'BOOL') return readBoolean(name, element);
  const wide = wideRanges[datatype];
  if (wide) return readWideInteger({ name, datatype, range: wide }, element);
  const range = integerRanges[datatype];
  if (range) return readInteger({ name, datatype, range }, element);
  return datatype === 'FP16' ? numberToFloat16(readFloat(name, datatype, element)) : readFloat(name, datatype, element);
}

function readBoolean(name: string, element: unknown): number {
  if (typeof element === 'boolean') return element ? 1 : 0;
  if (element === 0 || element === 1) return element;
  throw invalidTensor(name, 'BOOL elements true or false', show(element));
}

function readInteger(
  of: { name: string; datatype: Datatype; range: readonly [number, number] },
  element: unknown,
): number {
  const [low, high] = of.range;
  if (typeof element === 'number' && Number.isInteger(element) && element >= low && element <= high) return element;
  throw invalidTensor(of.name, `${of.datatype} elements from ${low} to ${high}`, show(element));
}

function readWideInteger(
  of: { name: string; datatype: Datatype; range: readonly [bigint, bigint] },
  element: unknown,
): bigint {
  const exact =
    typeof element === 'number'
      ? Number.isSafeInteger(element)
      : typeof element === 'string' && /^-?\d{1,20}$/.test(element);
  if (!exact) throw invalidTensor(of.name, `${of.datatype} elements (as text beyond 2^53)`, show(element));
  const value = BigInt(element as number | string);
  if (value < of.range[0] || value > of.range[1])
    throw invalidTensor(of.name, `${of.datatype} elements in range`, show(element));
  return value;
}

function readFloat(name: string, datatype: Datatype, element: unknown): number {
  if (typeof element === 'number') return element;
  if (typeof element === 'string' && Object.hasOwn(textFloats, element)) return textFloats[element] as number;
  throw invalidTensor(name, `${datatype} elements`, show(element));
}

function readByteString(name: string, element: unknown): Uint8Array {
  if (typeof element !== 'string') throw invalidTensor(name, 'BYTES elements as text', show(element));
  if (element.length > tensorLimits.maxBytes)
    throw invalidTensor(name, `at most ${tensorLimits.maxBytes} bytes (maxBytes)`, 'more');
  return new TextEncoder().encode(element);
}

function writeElement({ name, datatype }: Tensor, element: unknown): number | string | boolean {
  if (datatype === 'BYTES') return decodeText(name, element as Uint8Array);
  if (datatype === 'BOOL') return element === 1;
  if (typeof element === 'bigint') {
    const narrow = Number(element);
    return Number.isSafeInteger(narrow) ? narrow : element.toString();
  }
  const value = datatype === 'FP16' ? float16ToNumber(element as number) : (element as number);
  return Number.isFinite(value) ? value : String(value);
}

function decodeText(name: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw invalidTensor(name, 'BYTES elements that are UTF-8 (use the binary form)', `${bytes.byteLength} other bytes`);
  }
}

function show(element: unknown): string {
  const text = JSON.stringify(element) ?? typeof element;
  return text.length > 64 ? `${text.slice(0, 61)}...` : text;
}
