import { describe, expect, it } from 'vitest';
import { Generations } from './generations.js';

describe('a bounded map', () => {
  it.each([1, 2, 3, 8])('of %i never holds more and always has what was put last', (max) => {
    const map = new Generations<number>(max);
    for (let i = 0; i < 50; i++) {
      map.set(String(i), i);
      expect(map.size).toBeLessThanOrEqual(max);
      expect(map.get(String(i))).toBe(i);
    }
  });

  it('of 0 keeps nothing', () => {
    const map = new Generations<number>(0);
    map.set('a', 1);
    expect([map.get('a'), map.size]).toEqual([undefined, 0]);
  });

  it('keeps what is used and forgets what is not', () => {
    const map = new Generations<number>(8);
    map.set('used', 1);
    map.set('unused', 2);
    for (let i = 0; i < 40; i++) {
      map.set(String(i), i);
      expect(map.get('used')).toBe(1);
    }
    expect(map.get('unused')).toBeUndefined();
  });

  it('holds half of its bound at least', () => {
    const map = new Generations<number>(8);
    for (let i = 0; i < 20; i++) map.set(String(i), i);
    for (let i = 16; i < 20; i++) expect(map.get(String(i))).toBe(i);
  });

  it('has each key once, with its last value', () => {
    const map = new Generations<number>(4);
    for (let i = 0; i < 10; i++) map.set('a', i);
    expect([map.get('a'), map.size]).toEqual([9, 1]);
    map.set('b', 1);
    map.set('c', 2);
    map.set('a', 10);
    expect([map.get('a'), map.size]).toEqual([10, 3]);
  });

  it('puts a key again without forgetting another', () => {
    const map = new Generations<string>(4);
    map.set('a', 'old');
    map.set('b', 'old');
    map.set('c', 'young');
    map.set('d', 'young');
    map.set('d', 'again');
    expect(['a', 'b', 'c', 'd'].map((key) => map.get(key))).toContain('again');
    expect(map.get('c')).toBe('young');
  });
});
