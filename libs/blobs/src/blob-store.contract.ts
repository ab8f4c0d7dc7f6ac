/** What every adapter of the blob port must do, run against the real one. */
import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BlobStore } from './port.js';

export interface BlobStoreUnderTest {
  /** Another handle on the same blobs, as after a restart. */
  open(): BlobStore;
  /** Everything the store holds, unfinished uploads included. */
  stored(): Promise<readonly string[]>;
  cleanUp(): Promise<void>;
}

const code = (expected: string) => expect.objectContaining({ code: expected });
const unlimited = { maxBytes: Number.MAX_SAFE_INTEGER };
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const newId = () => `blob_${Array.from(randomBytes(26), (byte) => alphabet[byte % alphabet.length]).join('')}`;

async function* chunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size);
}

export async function allOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

export function blobStoreContract(name: string, prepare: () => Promise<BlobStoreUnderTest>): void {
  describe(`${name}: the blob port`, () => {
    let subject: BlobStoreUnderTest;
    let store: BlobStore;

    beforeAll(async () => {
      subject = await prepare();
      store = subject.open();
    });
    afterAll(() => subject.cleanUp());

    const put = (id: string, bytes: Uint8Array) => store.put(id, chunks(bytes, 50_000), unlimited);
    const read = async (id: string, from = store) => await buffer(await from.open(id));
    const ids = async () => (await allOf(store.list())).toSorted();

    it.each([0, 1, 50_000, 1_234_567])('gives back %i bytes with size and digest', async (size) => {
      const bytes = randomBytes(size);
      const id = newId();
      expect(await put(id, bytes)).toEqual({ bytes: size, sha256: sha256(bytes) });
      expect(await read(id)).toEqual(bytes);
      const fromStream = newId();
      expect(await store.put(fromStream, Readable.from([bytes]), unlimited)).toEqual({
        bytes: size,
        sha256: sha256(bytes),
      });
      expect(await read(fromStream)).toEqual(bytes);
    });

    it('keeps many put at once apart', async () => {
      const all = Array.from({ length: 40 }, () => ({ id: newId(), bytes: randomBytes(100_000) }));
      await Promise.all(all.map(({ id, bytes }) => put(id, bytes)));
      for (const { id, bytes } of all) expect(await read(id)).toEqual(bytes);
      expect(await ids()).toEqual(expect.arrayContaining(all.map(({ id }) => id).toSorted()));
    });

    it('never replaces: of several puts of one id, one is stored', async () => {
      const id = newId();
      const contents = Array.from({ length: 8 }, () => randomBytes(10_000));
      const outcomes = await Promise.allSettled(contents.map((bytes) => put(id, bytes)));
      const won = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value.sha256] : []));
      const lost = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
      expect(won).toHaveLength(1);
      expect(lost).toEqual(lost.map(() => code('already_exists')));
      expect(sha256(await read(id))).toBe(won[0]);
      await expect(put(id, randomBytes(1))).rejects.toEqual(code('already_exists'));
      expect(sha256(await read(id))).toBe(won[0]);
    });

    it('is not visible before it is complete', async () => {
      const id = newId();
      const begun = Promise.withResolvers<void>();
      const finish = Promise.withResolvers<void>();
      const slow = async function* () {
        yield randomBytes(10);
        begun.resolve();
        await finish.promise;
        yield randomBytes(10);
      };
      const storing = store.put(id, slow(), unlimited);
      await begun.promise;
      await expect(store.open(id)).rejects.toEqual(code('not_found'));
      expect(await ids()).not.toContain(id);
      finish.resolve();
      expect(await storing).toMatchObject({ bytes: 20 });
      expect(await ids()).toContain(id);
    });

    it.each([
      [
        'throws',
        () =>
          Readable.from(
            (async function* () {
              yield randomBytes(70_000);
              throw new Error('client went away');
            })(),
          ),
      ],
      [
        'is destroyed',
        () => {
          const content = new Readable({
            read() {
              this.push(randomBytes(70_000));
              this.destroy(new Error('client went away'));
            },
          });
          return content;
        },
      ],
      ['is text', () => Readable.from(['text'])],
    ])('leaves nothing of content that %s', async (_how, content) => {
      const before = await subject.stored();
      await expect(store.put(newId(), content(), unlimited)).rejects.toThrow(/client went away|must be bytes/);
      expect(await subject.stored()).toEqual(before);
    });

    it('refuses content past the limit while it streams, ends the source, and leaves nothing', async () => {
      const before = await subject.stored();
      let produced = 0;
      let ended = false;
      const endless = async function* () {
        try {
          for (;;) yield randomBytes((produced += 1_000) && 1_000);
        } finally {
          ended = true;
        }
      };
      await expect(store.put(newId(), endless(), { maxBytes: 10_000 })).rejects.toEqual(code('payload_too_large'));
      expect([produced, ended]).toEqual([11_000, true]);
      expect(await subject.stored()).toEqual(before);
      const exact = newId();
      expect(await store.put(exact, chunks(randomBytes(10_000), 999), { maxBytes: 10_000 })).toMatchObject({
        bytes: 10_000,
      });
    });

    it.each([
      '',
      'blob_',
      '../../etc/passwd',
      'blob_../../../../../../etc/pass',
      `blob_${'a'.repeat(26)}`,
      `${newId()}/..`,
      `${newId()}\n`,
    ])('refuses %j as an id', async (id) => {
      const before = await subject.stored();
      await expect(store.put(id, chunks(randomBytes(1), 1), unlimited)).rejects.toEqual(code('invalid_argument'));
      await expect(store.open(id)).rejects.toEqual(code('invalid_argument'));
      await expect(store.remove(id)).rejects.toEqual(code('invalid_argument'));
      expect(await subject.stored()).toEqual(before);
    });

    it('removes, also what is gone, and what is gone is not found', async () => {
      const id = newId();
      await put(id, randomBytes(10));
      await store.remove(id);
      await store.remove(id);
      await expect(store.open(id)).rejects.toEqual(code('not_found'));
      expect(await ids()).not.toContain(id);
    });

    it('lets a reader finish what is removed meanwhile', async () => {
      const id = newId();
      const bytes = randomBytes(1_000_000);
      await put(id, bytes);
      const reading = await store.open(id);
      await store.remove(id);
      expect(await buffer(reading)).toEqual(bytes);
    });

    it('has everything again after a restart', async () => {
      const id = newId();
      const bytes = randomBytes(1_000);
      await put(id, bytes);
      const restarted = subject.open();
      expect((await allOf(restarted.list())).toSorted()).toEqual(await ids());
      expect(await read(id, restarted)).toEqual(bytes);
      await restarted.ping();
    });
  });
}
