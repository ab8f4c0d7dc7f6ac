import { describe, expect, it } from 'vitest';
import { Together } from './together.js';

/** Writes that end when told to. */
function slowWrites() {
  const writes: { items: readonly string[]; end: (error?: Error) => void }[] = [];
  const write = (items: readonly string[]): Promise<void> =>
    new Promise((resolve, reject) => {
      writes.push({ items, end: (error) => (error ? reject(error) : resolve()) });
    });
  const written = async (count: number) => {
    for (let turns = 0; writes.length < count && turns < 100; turns++) await new Promise(setImmediate);
    expect(writes).toHaveLength(count);
    return writes[count - 1]!;
  };
  return { write, written };
}

describe('Together', () => {
  it('writes what came meanwhile together, in order', async () => {
    const { write, written } = slowWrites();
    const together = new Together({ write, maxItems: 10 });
    const a = together.write('a');
    (await written(1)).end();
    await a;
    const b = together.write('b');
    const first = await written(2);
    const rest = [together.write('c'), together.write('d')];
    expect(first.items).toEqual(['b']);
    first.end();
    await b;
    const second = await written(3);
    expect(second.items).toEqual(['c', 'd']);
    second.end();
    await Promise.all(rest);
  });

  it('fails those that travelled together and nobody else', async () => {
    const { write, written } = slowWrites();
    const together = new Together({ write, maxItems: 2 });
    const [a, b, c] = ['a', 'b', 'c'].map((item) => together.write(item));
    (await written(1)).end(new Error('no'));
    await expect(a).rejects.toThrow('no');
    await expect(b).rejects.toThrow('no');
    const last = await written(2);
    expect(last.items).toEqual(['c']);
    last.end();
    await c;
  });

  it('cuts by weight; what is too heavy travels alone', async () => {
    const { write, written } = slowWrites();
    const weigh = (item: string) => item.length;
    const together = new Together({ write, maxItems: 10, maxWeight: 3, weigh });
    const all = ['aaaa', 'b', 'cc', 'd'].map((item) => together.write(item));
    const seen: (readonly string[])[] = [];
    for (let count = 1; count <= 3; count++) {
      const write = await written(count);
      seen.push(write.items);
      write.end();
    }
    await Promise.all(all);
    expect(seen).toEqual([['aaaa'], ['b', 'cc'], ['d']]);
  });
});
