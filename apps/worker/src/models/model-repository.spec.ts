import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readModelRepository } from './model-repository.js';

const shipped = fileURLToPath(new URL('../../../../deploy/models', import.meta.url));

describe('model repository', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'cogmesh-models-'));
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  const place = async (folder: string, change: (yaml: string) => string): Promise<void> => {
    const yaml = await readFile(join(shipped, 'acme/silero-vad/5.0.0/model.yaml'), 'utf8');
    await mkdir(join(root, folder), { recursive: true });
    await writeFile(join(root, folder, 'model.yaml'), change(yaml));
  };
  const failure = (): Promise<string> =>
    readModelRepository(root).then(
      () => 'accepted',
      (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
    );

  it('reads the shipped models, their files found in installed packages', async () => {
    const models = await readModelRepository(shipped);
    expect(models.map((model) => model.key)).toEqual([
      'acme/ppocr-detect@4.0.0',
      'acme/ppocr-recognize@4.0.0',
      'acme/silero-vad@5.0.0',
    ]);
    expect(models[1]?.assets['dictionary']?.path).toMatch(/ppocr_keys_v1\.txt$/);
  });

  it('reads a file beside its manifest', async () => {
    await place('acme/silero-vad/5.0.0', (yaml) => yaml.replace(/source: .*/, 'source: { file: own.onnx }'));
    await cp(join(shipped, 'acme/silero-vad/5.0.0/model.yaml'), join(root, 'acme/silero-vad/5.0.0/own.onnx'));
    const [model] = await readModelRepository(root);
    expect(model?.file.path).toBe(join(root, 'acme/silero-vad/5.0.0/own.onnx'));
  });

  it.each([
    [
      'a folder of another version',
      'acme/silero-vad/6.0.0',
      (yaml: string) => yaml,
      'its folder says acme/silero-vad@6.0.0',
    ],
    [
      'a folder of another organisation',
      'globex/silero-vad/5.0.0',
      (yaml: string) => yaml,
      'its folder says globex/silero-vad@5.0.0',
    ],
    [
      'a package that is not there',
      'acme/silero-vad/5.0.0',
      (yaml: string) => yaml.replace('@jjhbw/', '@nobody/'),
      'is not installed',
    ],
    [
      'a file that is not there',
      'acme/silero-vad/5.0.0',
      (yaml: string) => yaml.replace('_16k_op15', '_99k'),
      'does not exist',
    ],
    ['what is no YAML', 'acme/silero-vad/5.0.0', () => 'name: [', 'model.yaml'],
    ['an unknown field', 'acme/silero-vad/5.0.0', (yaml: string) => `${yaml}colour: red\n`, 'colour'],
  ])('refuses %s', async (_, folder, change, words) => {
    await place(folder, change);
    expect(await failure()).toMatch(/^invalid_model: /);
    expect(await failure()).toContain(words);
  });

  it('refuses a folder without manifest, and a root that is not there', async () => {
    await mkdir(join(root, 'acme/empty/1.0.0'), { recursive: true });
    expect(await failure()).toMatch(/^invalid_model: .*cannot be read/);
    await rm(root, { recursive: true });
    expect(await failure()).toMatch(/^invalid_config/);
  });
});
