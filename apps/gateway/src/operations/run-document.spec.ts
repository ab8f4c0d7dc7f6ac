import { CogmeshError } from '@cogmesh/errors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { entityOf, pathOf } from './right.js';
import { capabilityPath, namesOf } from './run-document.js';

describe('capabilityPath', () => {
  it.each([
    ['model:reader', '/models/globex/reader'],
    ['model:reader@^4', '/models/globex/reader'],
    ['model:acme/reader', '/models/acme/reader'],
    ['model:acme/reader@>=1 <2 || 3', '/models/acme/reader'],
    ['tool:acme/look-up', '/tools/acme/look-up'],
    ['tool:acme/look-up@2', '/tools/acme/look-up'],
  ])('%s is %s', (uses, path) => {
    expect(capabilityPath(uses, 'globex')).toBe(path);
  });

  it.each([
    'script',
    'sleep',
    'tool:look-up',
    'model:',
    'model:a/b/c',
    'model:../reader',
    'model:acme/../x',
    'model:acme//x',
    'model: x',
    'model:acme/%2e',
    'model:x\n',
    7,
    null,
    { uses: 'model:x' },
  ])('%j names nothing canonical', (uses) => {
    expect(capabilityPath(uses, 'globex')).toBeUndefined();
  });
});

describe('namesOf', () => {
  const blob = 'blob_01JDGS3A6Y0000000000000000';

  it('names each model, tool and blob once, wherever it stands', () => {
    const text = JSON.stringify({
      input: { a: { $blob: blob }, b: [{ deep: [{ $blob: blob, mediaType: 'image/png' }] }] },
      tasks: [
        { uses: 'model:x' },
        { uses: 'model:globex/x@1', input: { $blob: blob } },
        { uses: 'tool:acme/t' },
        'nonsense',
        null,
      ],
    });
    expect(namesOf(text, 'globex', 3)).toEqual({ capabilities: ['/models/globex/x', '/tools/acme/t'], blobs: [blob] });
    expect(() => namesOf(text, 'globex', 2)).toThrow('at most 2');
  });

  it('never fails but with an error of ours, whatever JSON it is given', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        try {
          namesOf(text, 'acme', 100);
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(CogmeshError);
        }
      }),
    );
  });
});

it('turns paths into entities and back', () => {
  for (const path of [
    '/runs',
    '/runs/run_1',
    '/models/acme/x',
    '/tools/acme/x',
    '/blobs/b',
    '/agents',
    '/policies',
    '/api/v1/reports/x',
  ]) {
    expect(pathOf(entityOf(path))).toBe(path);
  }
  expect(entityOf('/models/acme/x')).toEqual({ type: 'model', id: 'acme/x' });
  expect(entityOf('/api/v1/x')).toEqual({ type: 'path', id: '/api/v1/x' });
  expect(() => entityOf('runs')).toThrow('not a resource path');
  expect(() => pathOf({ type: 'moon', id: '' })).toThrow('unknown resource type');
});
