import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { segmentsOf } from './canonical-path.js';
import { RuleIndex } from './rule-index.js';
import { compileRule, coversAction, coversPath, type Rule } from './rule.js';

const segment = fc.constantFrom('a', 'b', 'ab', 'abc');
const starred = fc.constantFrom('a', 'b', 'ab', 'a*', '*b', '*', 'a*c');
const globs = fc
  .tuple(fc.array(starred, { minLength: 1, maxLength: 3 }), fc.constantFrom('', '/*', '/**'))
  .map(([segments, tail]) => `/${segments.join('/')}${tail}`);
const anyGlob = fc.oneof(globs, fc.constantFrom('/**', '/*', '/a/**', '/a/b/*', '/a/b'));
const actions = fc.constantFrom('read', 'list', 'infer');

const rules = fc
  .array(
    fc.record({
      permissions: fc.uniqueArray(fc.oneof(actions, fc.constant('*')), { minLength: 1, maxLength: 3 }),
      resources: fc.uniqueArray(anyGlob, { minLength: 1, maxLength: 3 }),
      effect: fc.constantFrom('allow' as const, 'deny' as const),
    }),
    { maxLength: 80, size: 'max' },
  )
  .map((documents) => documents.map((each, i) => compileRule({ ...each, id: `r${String(i)}` }, i, 'acme')));

function covering(all: readonly Rule[], action: string, segments: readonly string[]): Rule[] {
  const found = all.filter((rule) => coversAction(rule, action) && coversPath(rule, segments));
  return [...found.filter(({ effect }) => effect === 'deny'), ...found.filter(({ effect }) => effect === 'allow')];
}

describe('the index', () => {
  it('finds exactly the rules that cover a request, the denying ones first, also where many hang at one place', () => {
    let most = 0;
    const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map((segments) => `/${segments.join('/')}`);
    fc.assert(
      fc.property(rules, fc.array(fc.tuple(actions, path), { minLength: 5, maxLength: 5 }), (all, asked) => {
        const index = new RuleIndex(all);
        for (const [action, at] of asked) {
          const want = covering(all, action, segmentsOf(at));
          expect(index.find(action, at, segmentsOf(at)).map(({ id }) => id)).toEqual(want.map(({ id }) => id));
          most = Math.max(most, want.length);
        }
      }),
      { numRuns: 150 },
    );
    expect(most).toBeGreaterThan(16);
  });
});
