import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ownerOf, parseResourcePath, resourcePath } from './resource-path.js';

describe('entities and paths', () => {
  it.each([
    ['/models/acme/x', { type: 'model', id: 'acme/x' }],
    ['/runs', { type: 'run', id: '' }],
    ['/runs/run_1', { type: 'run', id: 'run_1' }],
    ['/blobs/blob_1', { type: 'blob', id: 'blob_1' }],
    ['/tools/acme/lookup', { type: 'tool', id: 'acme/lookup' }],
    ['/policies', { type: 'policy', id: '' }],
    ['/agents', { type: 'agent', id: '' }],
    ['/api/v1/reports/7', { type: 'path', id: '/api/v1/reports/7' }],
  ])('%s', (path, resource) => {
    expect(parseResourcePath(path)).toEqual(resource);
    expect(resourcePath(resource)).toBe(path);
  });

  it('puts the type of somebody else’s resource first', () => {
    expect(resourcePath({ type: 'record', id: '7' })).toBe('/record/7');
    expect(resourcePath({ type: 'record', id: '' })).toBe('/record');
    for (const type of ['models', 'runs', 'a/b', '..', '', 'a b', '%61'])
      expect(() => resourcePath({ type, id: 'x' }), type).toThrow(/of its own|is not a name/);
  });

  it('gives every canonical path one entity and back', () => {
    const segment = fc.stringMatching(/^[a-z0-9_@-][a-z0-9_@.-]{0,8}$/);
    const path = fc
      .array(fc.oneof(segment, fc.constantFrom('models', 'runs', 'tools')), { minLength: 1, maxLength: 5 })
      .map((all) => `/${all.join('/')}`);
    fc.assert(
      fc.property(path, (text) => {
        expect(resourcePath(parseResourcePath(text))).toBe(text);
      }),
    );
  });

  it('knows the owner of models and tools only', () => {
    expect(ownerOf({ type: 'model', id: 'acme/x' })).toBe('acme');
    expect(ownerOf({ type: 'tool', id: 'acme/x' })).toBe('acme');
    expect(ownerOf({ type: 'model', id: '' })).toBeUndefined();
    expect(ownerOf({ type: 'run', id: 'acme/x' })).toBeUndefined();
    expect(ownerOf({ type: 'path', id: '/models/acme/x' })).toBeUndefined();
  });
});
