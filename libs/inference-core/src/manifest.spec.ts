import { CogmeshError } from '@cogmesh/errors';
import { describe, expect, it } from 'vitest';
import { checkSignature, modelKey, parseManifest, parseModelReference, resolveVersion } from './index.js';

const document = {
  name: 'acme/tiny',
  version: '1.2.0',
  licence: 'MIT',
  variants: [{ name: 'fp32', source: { package: '@acme/models', path: 'tiny.onnx' }, sha256: 'a'.repeat(64) }],
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 3] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }],
};

const issuesOf = (act: () => unknown): readonly string[] => {
  try {
    act();
  } catch (error) {
    if (error instanceof CogmeshError && error.code === 'invalid_model')
      return (error.details.issues ?? []).map((issue) => issue.path);
    throw error;
  }
  return [];
};

describe('manifest', () => {
  it('fills defaults', () => {
    const manifest = parseManifest(document, 'model.yaml');
    expect(manifest).toMatchObject({
      task: 'tensors',
      instances: 1,
      batching: { maxBatch: 1, maxDelayMs: 0, maxQueue: 256 },
      warmup: [],
    });
    expect(modelKey(manifest)).toBe('acme/tiny@1.2.0');
  });

  it.each([
    ['a name without organisation', { name: 'tiny' }, ['name']],
    ['a version range', { version: '^1' }, ['version']],
    [
      'a path that climbs out',
      { variants: [{ ...document.variants[0], source: { file: '../x.onnx' } }] },
      ['variants.0.source.file'],
    ],
    [
      'an absolute path',
      { variants: [{ ...document.variants[0], source: { file: '/etc/passwd' } }] },
      ['variants.0.source.file'],
    ],
    ['a short digest', { variants: [{ ...document.variants[0], sha256: 'abc' }] }, ['variants.0.sha256']],
    ['an unknown field', { instance: 2 }, ['']],
    ['two problems at once', { name: 'tiny', licence: '' }, ['name', 'licence']],
    ['warm-up without its input', { warmup: [{ z: [1] }] }, ['warmup.0.x', 'warmup.0.z']],
    ['an input declared twice', { inputs: [document.inputs[0], document.inputs[0]] }, ['inputs.1.name']],
    [
      'batching over a fixed dimension',
      { batching: { maxBatch: 8 }, inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 3] }] },
      ['inputs.0.shape'],
    ],
  ])('refuses %s, naming every place', (_, change, paths) => {
    expect(issuesOf(() => parseManifest({ ...document, ...change }, 'model.yaml'))).toEqual(paths);
  });
});

describe('signature', () => {
  const manifest = parseManifest(document, 'model.yaml');
  const x = { name: 'x', datatype: 'FP32' as const, shape: [-1, 3] };
  const y = { name: 'y', datatype: 'FP32' as const, shape: [-1, 1] };

  it('accepts the file, and outputs the manifest leaves out', () => {
    expect(issuesOf(() => checkSignature(manifest, { inputs: [x], outputs: [y, { ...y, name: 'more' }] }))).toEqual([]);
    expect(issuesOf(() => checkSignature(manifest, { inputs: [{ ...x, shape: [-1, -1] }], outputs: [y] }))).toEqual([]);
  });

  it.each([
    ['another datatype', { inputs: [{ ...x, datatype: 'FP16' as const }], outputs: [y] }, ['inputs.x']],
    ['a fixed dimension of another size', { inputs: [{ ...x, shape: [-1, 4] }], outputs: [y] }, ['inputs.x']],
    [
      'a dimension the manifest leaves open but the file fixes',
      { inputs: [{ ...x, shape: [1, 3] }], outputs: [y] },
      ['inputs.x'],
    ],
    ['another rank', { inputs: [{ ...x, shape: [3] }], outputs: [y] }, ['inputs.x']],
    ['a missing output', { inputs: [x], outputs: [] }, ['outputs.y']],
    ['an input the manifest does not know', { inputs: [x, { ...x, name: 'z' }], outputs: [y] }, ['inputs']],
  ])('refuses %s', (_, reported, paths) => {
    expect(issuesOf(() => checkSignature(manifest, reported))).toEqual(paths);
  });
});

describe('versions', () => {
  it('reads references', () => {
    expect(parseModelReference('acme/tiny@^4')).toEqual({ name: 'acme/tiny', range: '^4' });
    expect(parseModelReference('acme/tiny').range).toBe('*');
  });

  it.each(['tiny', 'acme/tiny@', 'acme/tiny@not a range', 'acme/../x', 'Acme/Tiny'])('refuses "%s"', (text) => {
    expect(() => parseModelReference(text)).toThrowError(expect.objectContaining({ code: 'invalid_argument' }));
  });

  it('takes the highest version of the range', () => {
    const versions = ['3.9.0', '4.0.0', '4.10.0', '4.9.0', '5.0.0-rc.1'];
    expect(resolveVersion(versions, '^4')).toBe('4.10.0');
    expect(resolveVersion(versions, '*')).toBe('4.10.0');
    expect(resolveVersion(versions, '^6')).toBeUndefined();
  });
});
