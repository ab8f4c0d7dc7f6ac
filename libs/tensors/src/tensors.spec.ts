import { CogmeshError } from '@cogmesh/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  allocate,
  datatypes,
  decodeBinary,
  encodeBinary,
  float16ToNumber,
  jsonOfTensor,
  matchesShape,
  numberToFloat16,
  tensorLimits,
  tensorOfJson,
  validateTensors,
  widthOf,
  type Datatype,
  type Tensor,
} from './index.js';

const shapes = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 });
const count = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/** Any tensor: numeric ones from random bit patterns, so that every NaN, subnormal and 64-bit value appears. */
const tensors: fc.Arbitrary<Tensor> = fc.constantFrom<Datatype>(...datatypes).chain((datatype) =>
  shapes.chain((shape): fc.Arbitrary<Tensor> => {
    const name = 'x';
    if (datatype === 'BYTES') {
      return fc
        .array(fc.uint8Array({ maxLength: 9 }), { minLength: count(shape), maxLength: count(shape) })
        .map((data) => ({ name, datatype, shape, data }));
    }
    const bytes = count(shape) * widthOf(datatype);
    return fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((random) => {
      const data = allocate(datatype, count(shape));
      new Uint8Array(data.buffer).set(datatype === 'BOOL' ? random.map((value) => value & 1) : random);
      return { name, datatype, shape, data };
    });
  }),
);

const refusal = (act: () => unknown): CogmeshError => {
  try {
    act();
  } catch (error) {
    if (error instanceof CogmeshError) return error;
    throw error;
  }
  throw new Error('it was accepted');
};

describe('binary form', () => {
  it('gives back every tensor, bit for bit', () => {
    fc.assert(
      fc.property(tensors, (tensor) => {
        const bytes = encodeBinary(tensor);
        expect(encodeBinary(decodeBinary(tensor, bytes))).toEqual(bytes);
        expect(decodeBinary(tensor, bytes)).toEqual(tensor);
      }),
    );
  });

  it('refuses every byte string that is one byte too short or too long', () => {
    fc.assert(
      fc.property(tensors, (tensor) => {
        const bytes = encodeBinary(tensor);
        expect(refusal(() => decodeBinary(tensor, Uint8Array.of(...bytes, 0))).code).toBe('invalid_tensor');
        if (bytes.length > 0)
          expect(refusal(() => decodeBinary(tensor, bytes.subarray(1))).code).toBe('invalid_tensor');
      }),
    );
  });

  it('writes BYTES with a 4-byte little-endian length', () => {
    const tensor: Tensor = { name: 'x', datatype: 'BYTES', shape: [2], data: [Uint8Array.of(65), new Uint8Array(0)] };
    expect([...encodeBinary(tensor)]).toEqual([1, 0, 0, 0, 65, 0, 0, 0, 0]);
  });

  it('does not allocate for a length that lies', () => {
    const lie = Uint8Array.of(255, 255, 255, 255, 1);
    expect(refusal(() => decodeBinary({ name: 'x', datatype: 'BYTES', shape: [1] }, lie)).details).toMatchObject({
      tensor: 'x',
    });
  });
});

describe('JSON form', () => {
  it('gives back every tensor through JSON text', () => {
    fc.assert(
      fc.property(tensors, (tensor) => {
        if (tensor.datatype === 'BYTES') return;
        const back = tensorOfJson(JSON.parse(JSON.stringify(jsonOfTensor(tensor))));
        const same = (a: unknown, b: unknown): boolean => a == b || (Number.isNaN(a) && Number.isNaN(b));
        const values = (t: Tensor): unknown[] =>
          Array.from(t.data as ArrayLike<unknown>, (v) => (t.datatype === 'FP16' ? float16ToNumber(v as number) : v));
        const before = values(tensor);
        expect(values(back).every((value, index) => same(value, before[index]))).toBe(true);
        expect(back.shape).toEqual(tensor.shape);
      }),
    );
  });

  it('reads nested data as flat data', () => {
    const flat = tensorOfJson({ name: 'x', datatype: 'INT32', shape: [2, 2], data: [1, 2, 3, 4] });
    expect(
      tensorOfJson({
        name: 'x',
        datatype: 'INT32',
        shape: [2, 2],
        data: [
          [1, 2],
          [3, 4],
        ],
      }),
    ).toEqual(flat);
  });

  it('keeps 64-bit integers exact, as text beyond 2^53', () => {
    const tensor = tensorOfJson({
      name: 'x',
      datatype: 'INT64',
      shape: [3],
      data: ['9223372036854775807', -5, '-9223372036854775808'],
    });
    expect(tensor.data).toEqual(BigInt64Array.of(2n ** 63n - 1n, -5n, -(2n ** 63n)));
    expect(jsonOfTensor(tensor).data).toEqual(['9223372036854775807', -5, '-9223372036854775808']);
  });

  it.each([
    ['an integer JSON has rounded', { datatype: 'INT64', shape: [1], data: [2 ** 53] }],
    ['a 64-bit overflow', { datatype: 'UINT64', shape: [1], data: ['18446744073709551616'] }],
    ['a value out of range', { datatype: 'INT8', shape: [1], data: [128] }],
    ['a fraction for an integer', { datatype: 'INT32', shape: [1], data: [1.5] }],
    ['text for a float', { datatype: 'FP32', shape: [1], data: ['1.5'] }],
    ['too few elements', { datatype: 'FP32', shape: [2], data: [1] }],
    ['ragged nesting', { datatype: 'FP32', shape: [2, 2], data: [[1, 2], [3]] }],
    [
      'nesting of another rank',
      {
        datatype: 'FP32',
        shape: [4],
        data: [
          [1, 2],
          [3, 4],
        ],
      },
    ],
    ['an unknown datatype', { datatype: 'FLOAT', shape: [1], data: [1] }],
    ['a negative dimension', { datatype: 'FP32', shape: [-1], data: [] }],
    ['a huge shape', { datatype: 'FP32', shape: [1e9, 1e9], data: [] }],
    ['too many dimensions', { datatype: 'FP32', shape: Array(tensorLimits.maxRank + 1).fill(1), data: [1] }],
    ['a shape that is no list', { datatype: 'FP32', shape: 3, data: [1] }],
    ['data that is no list', { datatype: 'FP32', shape: [1], data: 'AA==' }],
    ['a BOOL of 2', { datatype: 'BOOL', shape: [1], data: [2] }],
  ])('refuses %s', (_, value) => {
    const error = refusal(() => tensorOfJson({ name: 'x', ...value }));
    expect(error.code).toBe('invalid_tensor');
    expect(error.details).toMatchObject({ tensor: 'x', expected: expect.any(String), got: expect.any(String) });
  });

  it('says that BYTES which are not text need the binary form', () => {
    const tensor: Tensor = { name: 'x', datatype: 'BYTES', shape: [1], data: [Uint8Array.of(0xff)] };
    expect(refusal(() => jsonOfTensor(tensor)).message).toContain('binary form');
  });
});

describe('FP16', () => {
  it('reads all 65,536 patterns and writes each back', () => {
    for (let bits = 0; bits < 0x1_0000; bits += 1) {
      const value = float16ToNumber(bits);
      expect(numberToFloat16(value)).toBe(Number.isNaN(value) ? 0x7e00 : bits);
    }
  });

  it('rounds as the engine of the language does', () => {
    const reference = (globalThis as unknown as { Float16Array: new (values: number[]) => { buffer: ArrayBuffer } })
      .Float16Array;
    const agree = (value: number): void => {
      expect(numberToFloat16(value)).toBe(new Uint16Array(new reference([value]).buffer)[0]);
    };
    fc.assert(fc.property(fc.double({ noNaN: true }), agree));
    fc.assert(fc.property(fc.double({ noNaN: true, min: -70_000, max: 70_000 }), agree));
    fc.assert(fc.property(fc.double({ noNaN: true, min: -1e-4, max: 1e-4 }), agree));
    [65_519.99, 65_520, 2 ** -25, 2 ** -24 * 1.5, 1 + 2 ** -11, 1 + 3 * 2 ** -11, -0].forEach(agree);
  });
});

describe('validation against a model', () => {
  const specs = [{ name: 'x', datatype: 'FP32' as const, shape: [-1, 3] }];
  const good: Tensor = { name: 'x', datatype: 'FP32', shape: [2, 3], data: new Float32Array(6) };

  it('accepts what fits', () => {
    expect(() => validateTensors([good], specs)).not.toThrow();
    expect(matchesShape([-1, 3], [7, 3])).toBe(true);
    expect(matchesShape([-1, 3], [7, 3, 1])).toBe(false);
  });

  it.each<[string, Tensor[], string, string]>([
    ['a missing input', [], 'FP32 [-1,3]', 'nothing'],
    ['the wrong datatype', [{ ...good, datatype: 'FP64', data: new Float64Array(6) }], 'FP32 [-1,3]', 'FP64 [2,3]'],
    ['the wrong shape', [{ ...good, shape: [3, 2] }], 'FP32 [-1,3]', 'FP32 [3,2]'],
    ['data of another length', [{ ...good, data: new Float32Array(5) }], '6 elements for shape [2,3]', '5 elements'],
    ['an unknown input', [good, { ...good, name: 'y' }], 'only x', 'an unknown input'],
    ['an input given twice', [good, good], 'each input once', 'it twice'],
  ])('refuses %s, saying what was expected and what came', (_, given, expected, got) => {
    const error = refusal(() => validateTensors(given, specs));
    expect(error.code).toBe('invalid_tensor');
    expect(error.details).toMatchObject({ expected, got });
  });
});
