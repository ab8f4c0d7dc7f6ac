import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { foreignResource, ownerOf, parseResourcePath, resourcePath } from './resource-path.js';

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

  it.each([
    ['/todos/{todoId}', '/route/~=2Ftodos=2F{todoId}'],
    ['https://api.example/a?b=c#d', '/route/~https:=2F=2Fapi.example=2Fa=3Fb=3Dc=23d'],
    ['arn:aws:s3:::bucket/*', '/route/~arn:aws:s3:::bucket=2F=2A'],
    ['a title', '/route/~a=20title'],
    ['~a', '/route/~~a'],
    ['a//b', '/route/~a=2F=2Fb'],
    ['a/', '/route/~a=2F'],
    ['a=b', '/route/a=b'],
  ])('puts the id %s of somebody else’s resource into one segment', (id, path) => {
    expect(resourcePath({ type: 'route', id })).toBe(path);
    expect(foreignResource(path)).toEqual({ type: 'route', id });
  });

  it.each([
    '..',
    '../x',
    '/../x',
    'a/./b',
    '%2e%2e/ x',
    'a\\b c',
    'a\u0000 b',
    'e\u0301 x',
    'a\u2028 b',
    ''.padEnd(1_020, ' '),
  ])('refuses the id %j whoever’s it is', (id) => {
    expect(() => resourcePath({ type: 'route', id })).toThrow(/resource/);
  });

  it.each([
    { type: 'model', id: 'acme/a b' },
    { type: 'run', id: '/x' },
    { type: 'path', id: '/a b' },
    { type: 'path', id: '/models/~x' },
  ])('escapes nothing in $type $id', (resource) => {
    expect(() => resourcePath(resource)).toThrow(/resource/);
  });

  it('gives different ids of one type different paths', () => {
    const id = fc.string({ unit: fc.constantFrom('a', '/', '~', '=', ' ', '*', '2', 'F', '.', '0'), maxLength: 6 });
    const pathOf = (text: string) => {
      try {
        return resourcePath({ type: 'route', id: text });
      } catch {
        return undefined;
      }
    };
    fc.assert(
      fc.property(id, id, (one, other) => {
        const [path, second] = [pathOf(one), pathOf(other)];
        if (path === undefined || one === '') return;
        expect(path === second).toBe(one === other);
        expect(foreignResource(path)).toEqual({ type: 'route', id: one });
      }),
      { numRuns: 2_000 },
    );
  });

  it('finds nothing of somebody else’s in paths of our own', () => {
    for (const path of ['/models/acme/x', '/record', '/%/x', '/7/x'])
      expect(foreignResource(path), path).toBeUndefined();
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

  it('refuses a path that is not canonical, in few words', () => {
    for (const path of ['/a//b', '/models/acme/', 'runs', '/a/./b', `/${'a'.repeat(1_024)}`])
      expect(() => parseResourcePath(path), path).toThrow(
        expect.objectContaining({ code: 'invalid_argument', details: { resource: path.slice(0, 200) } }),
      );
    expect(parseResourcePath(`/${'a'.repeat(1_023)}`).type).toBe('path');
    expect(() => resourcePath({ type: 'route', id: './a b' })).toThrow(/resource/);
    expect(() => resourcePath({ type: 'route', id: 'a b/..' })).toThrow(/resource/);
  });

  it('knows the owner of models and tools only', () => {
    expect(ownerOf({ type: 'model', id: 'acme/x' })).toBe('acme');
    expect(ownerOf({ type: 'tool', id: 'acme/x' })).toBe('acme');
    expect(ownerOf({ type: 'model', id: '' })).toBeUndefined();
    expect(ownerOf({ type: 'run', id: 'acme/x' })).toBeUndefined();
    expect(ownerOf({ type: 'path', id: '/models/acme/x' })).toBeUndefined();
  });
});
