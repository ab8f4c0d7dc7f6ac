/** docs/security.md names a test for every threat; each of them exists under that title. */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '..');
const page = readFileSync(resolve(root, 'docs/security.md'), 'utf8');
const threats = page.split('\n').filter((line) => /^\| +[STRIDE] +\|/.test(line));
const named = threats.map((line) => /`([^`]+\.(?:spec|contract)\.ts)`: “([^”]+)”/.exec(line)?.slice(1) ?? [line, '']);

it('has threats of every kind', () => {
  expect(new Set(threats.map((line) => line.slice(2, 3)))).toEqual(new Set('STRIDE'));
});

it.each(named)('%s: %s', (file, title) => {
  expect(existsSync(resolve(root, file ?? ''))).toBe(true);
  const text = readFileSync(resolve(root, file ?? ''), 'utf8').replaceAll(/\\(['"`])/g, '$1');
  expect(text).toContain(title);
});
