import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Json } from '../json.js';
import { evaluateTemplate, referencesIn } from './evaluate-template.js';
import type { Scope } from './expression.js';
import { parseTemplate } from './template.js';

const scope: Scope = {
  input: { n: 5, half: 2.5, name: 'Ada', list: [1, 2, 3], image: { $blob: 'blob_1' }, none: null },
  run: { id: 'run_1', name: 'r', organisation: 'acme', labels: { team: 'x' } },
  tasks: {
    detect: { output: { boxes: [{ score: 0.5 }, { score: 0.9 }] }, state: 'SUCCEEDED' },
    'with-dash': { output: 'd', state: 'SKIPPED' },
  },
};
const itemScope: Scope = { ...scope, item: { text: 'hi' }, index: 3 };
const evaluate = (template: Json, on: Scope = scope, maxSteps = 100_000) =>
  evaluateTemplate(template, on, { kind: on.index === undefined ? 'task' : 'item', maxSteps });

describe('evaluateTemplate', () => {
  const values: readonly [string, Json][] = [
    ['${{ input.n }}', 5],
    ['${{ input.n + 1 }}', 6],
    ['${{ input.half * 2 }}', 5],
    ['${{ 7 % input.n }}', 2],
    ['${{ input.list.map(x, x * 2) }}', [2, 4, 6]],
    ['${{ input.list[0] }}', 1],
    ['${{ input.image }}', { $blob: 'blob_1' }],
    ['${{ input.none }}', null],
    ['${{ tasks.detect.output.boxes.filter(b, b.score > 0.7) }}', [{ score: 0.9 }]],
    ['${{ tasks["with-dash"].state == "SKIPPED" }}', true],
    ['${{ {"a": {"b": input.n}} }}', { a: { b: 5 } }],
    ['${{ size(input.list) }}', 3],
    ['${{ run.labels.team }}', 'x'],
    ['${{ input.?missing.orValue("none") }}', 'none'],
    ['Hello ${{ input.name }}, ${{ input.n }} of ${{ input.list }}', 'Hello Ada, 5 of [1,2,3]'],
    ['price $${{ not one }}', 'price ${{ not one }}'],
    ['plain', 'plain'],
  ];
  it.each(values)('%s', (template, want) => {
    expect(evaluate(template)).toEqual(want);
  });

  it('walks lists and objects, and knows item and index inside a forEach', () => {
    expect(evaluate({ a: ['${{ item.text }}', '${{ index }}'], b: { c: true } }, itemScope)).toEqual({
      a: ['hi', 3],
      b: { c: true },
    });
  });

  const failures: readonly [string, RegExp][] = [
    ['${{ input.missing }}', /No such key: missing/],
    ['${{ input.n / 0.0 }}', /JSON form/],
    ['${{ 9007199254740993 }}', /does not fit/],
    ['${{ b"abc" }}', /JSON form/],
    ['${{ input.name + input.n }}', /no such overload/],
    ['${{ input.__proto__ }}', /No such key/],
  ];
  it.each(failures)('%s is refused', (template, message) => {
    expect(() => evaluate(template)).toThrow(message);
  });

  const bombs = [
    '${{ input.list.map(a, input.list.map(b, input.list.map(c, input.list.map(d, input.list.map(e, input.list.map(f, input.list)))))) }}',
    '${{ [input.list].map(a, a+a).map(a, a+a).map(a, a+a).map(a, a+a).map(a, a+a).map(a, a+a).map(a, a+a).map(a, a+a).map(a, a+a).map(a, a+a).map(a, a+a).map(a, a+a).map(a, a+a) }}',
    '${{ cel.bind(a, input.name+input.name, cel.bind(b, a+a+a+a, cel.bind(c, b+b+b+b, cel.bind(d, c+c+c+c, cel.bind(e, d+d+d+d, cel.bind(f, e+e+e+e, cel.bind(g, f+f+f+f, cel.bind(h, g+g+g+g, h+h+h+h)))))))) }}',
    '${{ input.list.all(a, input.list.all(b, input.list.all(c, input.list.all(d, input.list.all(e, a+b+c+d+e > 0))))) || true }}',
  ];
  it.each(bombs)('stops %s', (template) => {
    expect(() => evaluate(template, scope, 500)).toThrow(/too many steps/);
  });

  it('counts each evaluation afresh', () => {
    for (let i = 0; i < 50; i += 1) expect(evaluate('${{ input.list.map(x, x + 1) }}', scope, 60)).toEqual([2, 3, 4]);
  });

  it('hands any JSON through unchanged', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const input = JSON.parse(JSON.stringify(value)) as Json;
        expect(evaluate('${{ input }}', { ...scope, input })).toEqual(input);
      }),
    );
  });
});

describe('referencesIn', () => {
  it('tells handing an output on from looking inside it', () => {
    const template = {
      a: '${{ tasks.x.output }}',
      b: '${{ tasks.y.output.z }}',
      c: 'see ${{ tasks.w.output }}',
      d: '${{ tasks.v.state }}',
    };
    expect(referencesIn(template, 'task')).toEqual([
      { task: 'x', field: 'output', deep: false },
      { task: 'y', field: 'output', deep: true },
      { task: 'w', field: 'output', deep: true },
      { task: 'v', field: 'state', deep: false },
    ]);
  });
});

describe('parseTemplate', () => {
  it('respects quotes and braces inside an expression', () => {
    expect(parseTemplate('a${{ {"x": "}}"} }}b')).toEqual([
      { text: 'a' },
      { expression: '{"x": "}}"}', offset: 5 },
      { text: 'b' },
    ]);
  });

  it('never loses a character of plain text', () => {
    fc.assert(
      fc.property(
        fc.string().filter((text) => !text.includes('${{')),
        (text) => {
          expect(parseTemplate(text)).toEqual(text === '' ? [] : [{ text }]);
        },
      ),
    );
  });
});
