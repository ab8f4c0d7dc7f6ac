import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blobIdsIn, blobReference, isBlobId, isBlobReference } from './index.js';

const id = 'blob_01JD3M0000000000000000000A';
const other = 'blob_01JD3M0000000000000000000B';

describe('blobIdsIn', () => {
  it.each<[unknown, string[]]>([
    [null, []],
    ['$blob', []],
    [{ image: { $blob: id } }, [id]],
    [{ $blob: id, nested: [{ $blob: other }] }, [id, other]],
    [
      [{ $blob: other }, { deep: { list: [[{ $blob: id, mediaType: 'image/png' }]] } }, { $blob: other }],
      [other, id],
    ],
    [{ $blob: 'not an id' }, ['not an id']],
    [{ $blob: 5 }, []],
    [JSON.parse('{"__proto__":{"$blob":"blob_x"}}'), ['blob_x']],
  ])('of %j', (value, expected) => {
    expect(blobIdsIn(value)).toEqual(expected);
  });

  it('refuses what is too deep to search instead of overlooking it', () => {
    const nest = (levels: number): unknown => JSON.parse('['.repeat(levels) + `{"$blob":"${id}"}` + ']'.repeat(levels));
    expect(blobIdsIn(nest(500))).toEqual([id]);
    expect(() => blobIdsIn(nest(501))).toThrow(expect.objectContaining({ code: 'invalid_input' }));
    expect(() => blobIdsIn(nest(5_000))).toThrow(expect.objectContaining({ code: 'invalid_input' }));
  });

  it('finds what a search of the text finds', () => {
    const reference = fc.record({ $blob: fc.stringMatching(/^blob_[0-9A-Z]{26}$/) });
    const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
      tree: fc.oneof(
        { depthSize: 'medium' },
        fc.oneof(reference, fc.jsonValue({ maxDepth: 1 })),
        fc.array(tie('tree'), { maxLength: 4 }),
        fc.dictionary(fc.string(), tie('tree'), { maxKeys: 4 }),
      ),
    }));
    fc.assert(
      fc.property(tree, (value) => {
        const inText = [...(JSON.stringify(value) ?? '').matchAll(/"\$blob":"(blob_[0-9A-Z]{26})"/g)].map(
          (match) => match[1],
        );
        expect(blobIdsIn(value)).toEqual([...new Set(inText)]);
      }),
    );
  });
});

it('makes and knows references', () => {
  expect(blobReference(id)).toEqual({ $blob: id });
  const full = blobReference(id, { mediaType: 'image/png', bytes: 7 });
  expect(full).toEqual({ $blob: id, mediaType: 'image/png', bytes: 7 });
  expect(isBlobReference(full)).toBe(true);
  expect(isBlobReference({ blob: id })).toBe(false);
  expect(isBlobReference([id])).toBe(false);
  expect(isBlobReference(Object.create({ $blob: id }))).toBe(false);
  expect([isBlobId(id), isBlobId(`${id}\n`), isBlobId(id.toLowerCase())]).toEqual([true, false, false]);
});
