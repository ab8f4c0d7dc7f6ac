import { describe, expect, it } from 'vitest';
import { RememberedAnswers } from './remembered-answers.js';

class Source {
  nowMs = 1_000;
  readonly asked: (readonly string[])[] = [];
  readonly waiting: { resolve: () => void; reject: (why: Error) => void }[] = [];
  readonly answers = new RememberedAnswers<string>({ entriesMax: 3, callsMax: 2, now: () => this.nowMs });

  get(...keys: string[]) {
    const ask = (open: readonly string[]) => {
      this.asked.push(open);
      return new Promise<string[]>((resolve, reject) =>
        this.waiting.push({ resolve: () => resolve(open.map((key) => `${key}!`)), reject }),
      );
    };
    return this.answers
      .answers({ keys, ttlMs: 100, ask })
      .then((all) => all.map(({ value, untilMs }) => `${value} ${String(untilMs)}`));
  }

  answer() {
    this.waiting.shift()?.resolve();
  }
}

describe('answers', () => {
  it('are asked for once, in one call, and kept for their time from the question on', async () => {
    const source = new Source();
    const [first, second] = [source.get('a', 'b', 'a'), source.get('b')];
    source.nowMs = 1_050;
    source.answer();
    expect(await first).toEqual(['a! 1100', 'b! 1100', 'a! 1100']);
    expect(await second).toEqual(['b! 1100']);
    source.nowMs = 1_099;
    expect(await source.get('a')).toEqual(['a! 1100']);
    source.nowMs = 1_100;
    const third = source.get('a');
    source.answer();
    expect(await third).toEqual(['a! 1200']);
    expect(source.asked).toEqual([['a', 'b'], ['a']]);
  });

  it('that failed are told to who waited, and asked for again', async () => {
    const source = new Source();
    const [first, second] = [source.get('a'), source.get('a')];
    source.waiting.shift()?.reject(new Error('gone'));
    await expect(first).rejects.toThrow('gone');
    await expect(second).rejects.toThrow('gone');
    const third = source.get('a');
    source.answer();
    expect(await third).toEqual(['a! 1100']);
  });

  it('are bounded in number, and in calls under way', async () => {
    const source = new Source();
    const many = source.get('a', 'b', 'c', 'd');
    source.answer();
    await many;
    const again = source.get('a', 'd');
    expect(source.asked.at(-1)).toEqual(['a']);
    const other = source.get('e');
    await expect(source.get('f')).rejects.toMatchObject({ code: 'overloaded' });
    source.answer();
    source.answer();
    expect(await again).toHaveLength(2);
    expect(await other).toEqual(['e! 1100']);
  });
});
