import { describe, expect, it } from 'vitest';
import { Outgoing } from './outgoing.js';

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of source) all.push(item);
  return all;
}

describe('the sending half of a two-way call', () => {
  it('delivers in order what was pushed before and while it is read, then ends', async () => {
    const outgoing = new Outgoing<number>();
    outgoing.push(1);
    const read = collect(outgoing);
    await Promise.resolve();
    outgoing.push(2);
    outgoing.end();
    expect(outgoing.push(3)).toBe(false);
    expect(await read).toEqual([1, 2]);
  });

  it('delivers what was pushed before it fails', async () => {
    const outgoing = new Outgoing<number>();
    outgoing.push(1);
    outgoing.fail(new Error('gone'));
    const seen: number[] = [];
    const read = (async () => {
      for await (const item of outgoing) seen.push(item);
    })();
    await expect(read).rejects.toThrow('gone');
    expect(seen).toEqual([1]);
  });

  it('fails when the reader does not keep up', async () => {
    const outgoing = new Outgoing<number>(1);
    expect(outgoing.push(1)).toBe(true);
    expect(outgoing.push(2)).toBe(false);
    await expect(collect(outgoing)).rejects.toMatchObject({ code: 'overloaded' });
  });

  it('takes nothing after the reader left', async () => {
    const outgoing = new Outgoing<number>();
    outgoing.push(1);
    for await (const _ of outgoing) break;
    expect(outgoing.push(2)).toBe(false);
  });
});
