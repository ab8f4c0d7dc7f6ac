import { expect, it } from 'vitest';
import { maxJsonDepth, nestsTooDeep } from './json-depth.js';

const nested = (depth: number, [open, close] = ['[', ']'] as const): string => open.repeat(depth) + close.repeat(depth);

it.each([
  ['as deep as allowed', nested(maxJsonDepth), false],
  ['one deeper', nested(maxJsonDepth + 1), true],
  ['as objects', '{"a":'.repeat(maxJsonDepth + 1), true],
  ['wide, not deep', `[${'[],'.repeat(5_000)}[]]`, false],
  ['brackets in a text', `["${'['.repeat(1_000)}"]`, false],
  ['brackets after an escaped quote', `["\\"${'['.repeat(1_000)}"]`, false],
  ['brackets after an escaped backslash', `["\\\\",${nested(maxJsonDepth)}]`, true],
  ['no JSON at all', ']]]]', false],
])('%s', (_what, text, tooDeep) => {
  expect(nestsTooDeep(text)).toBe(tooDeep);
});
