/**
 * The protocol's binary form: row-major, little-endian; a BYTES element is a 4-byte little-endian length and that many
 * bytes. Reads never trust a length: everything is held against the shape and the bytes that are there.
 */
import { allocate, type Datatype, type NumericArray } from './datatype.js';
import { invalidTensor } from './invalid-tensor.js';
import { tensorLimits } from './limits.js';
import { checkHeader, checkTensor, type Tensor } from './tensor.js';

const lengthPrefixBytes = 4;

/** The tensor's elements as bytes. On the little-endian machines Node runs on, numbers need no conversion. */
export function encodeBinary(tensor: Tensor): Uint8Array {
  checkTensor(tensor);
  if (tensor.datatype === 'BYTES') return encodeByteStrings(tensor.data as readonly Uint8Array[]);
  const { buffer, byteOffset, byteLength } = tensor.data as NumericArray;
  return new Uint8Array(buffer, byteOffset, byteLength).slice();
}

/** The tensor the bytes hold. Throws `invalid_tensor` when they are not exactly what datatype and shape ask for. */
export function decodeBinary(
  header: { name: string; datatype: Datatype; shape: readonly number[] },
  bytes: Uint8Array,
): Tensor {
  const { name, datatype, shape } = header;
  const elements = checkHeader(name, datatype, shape);
  if (bytes.byteLength > tensorLimits.maxBytes) {
    throw invalidTensor(name, `at most ${tensorLimits.maxBytes} bytes (maxBytes)`, `${bytes.byteLength} bytes`);
  }
  if (datatype === 'BYTES') return { name, datatype, shape, data: decodeByteStrings(name, elements, bytes) };
  const data = allocate(datatype, elements);
  if (bytes.byteLength !== data.byteLength) {
    throw invalidTensor(
      name,
      `${data.byteLength} bytes for ${datatype} [${shape.join(',')}]`,
      `${bytes.byteLength} bytes`,
    );
  }
  new Uint8Array(data.buffer).set(bytes);
  if (datatype === 'BOOL') checkBooleans(name, data as Uint8Array);
  return { name, datatype, shape, data };
}

function checkBooleans(name: string, data: Uint8Array): void {
  const wrong = data.find((value) => value > 1);
  if (wrong !== undefined) throw invalidTensor(name, 'BOOL elements 0 or 1', `${wrong}`);
}

function encodeByteStrings(elements: readonly Uint8Array[]): Uint8Array {
  const total = elements.reduce((sum, element) => sum + lengthPrefixBytes + element.byteLength, 0);
  const bytes = new Uint8Array(total);
  const view = new DataView(bytes.buffer);
  let offset = 0;
  for (const element of elements) {
    view.setUint32(offset, element.byteLength, true);
    bytes.set(element, offset + lengthPrefixBytes);
    offset += lengthPrefixBytes + element.byteLength;
  }
  return bytes;
}

function decodeByteStrings(name: string, count: number, bytes: Uint8Array): Uint8Array[] {
  if (count * lengthPrefixBytes > bytes.byteLength) {
    throw invalidTensor(name, `${count} length-prefixed elements`, `${bytes.byteLength} bytes`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const elements: Uint8Array[] = [];
  let offset = 0;
  for (let index = 0; index < count; index += 1) {
    const start = offset + lengthPrefixBytes;
    const length = start <= bytes.byteLength ? view.getUint32(offset, true) : Infinity;
    if (start + length > bytes.byteLength)
      throw invalidTensor(name, `${count} length-prefixed elements`, `an end inside element ${index}`);
    elements.push(Uint8Array.from(bytes.subarray(start, start + length)));
    offset = start + length;
  }
  if (offset !== bytes.byteLength) throw invalidTensor(name, `${offset} bytes`, `${bytes.byteLength} bytes`);
  return elements;
}
