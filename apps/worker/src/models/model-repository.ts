/**
 * The file model repository: `<root>/<org>/<name>/<version>/model.yaml`. Reads every manifest, finds the files it names (in
 * an installed npm package, or beside it) and yields what engines load. A folder whose names disagree with its manifest is
 * refused. Digests are checked by the engine that loads the bytes.
 */
import { existsSync } from 'node:fs';
import { readFile, readdir } from 'node:fs/promises';
import { findPackageJSON } from 'node:module';
import { dirname, join } from 'node:path';
import { CogmeshError } from '@cogmesh/errors';
import { modelKey, parseManifest, type ModelSource } from '@cogmesh/inference-core';
import { parse } from 'yaml';
import type { FileToLoad, ModelToLoad } from '../engine/protocol.js';

/** Largest manifest, bytes. */
const maxManifestBytes = 64 * 1024;

/** Every model of the repository, by name and version. `invalid_model` names the first folder that is wrong. */
export async function readModelRepository(root: string): Promise<ModelToLoad[]> {
  const models: ModelToLoad[] = [];
  for (const organisation of await foldersOf(root)) {
    for (const name of await foldersOf(join(root, organisation))) {
      for (const version of await foldersOf(join(root, organisation, name))) {
        models.push(await readModel(join(root, organisation, name, version), `${organisation}/${name}@${version}`));
      }
    }
  }
  return models;
}

async function foldersOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((thrown: unknown) => {
    throw new CogmeshError('invalid_config', `${folder} cannot be read`, { folder }, { cause: thrown });
  });
  return entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .toSorted();
}

async function readModel(folder: string, expectedKey: string): Promise<ModelToLoad> {
  const path = join(folder, 'model.yaml');
  const text = await readFile(path, 'utf8').catch((thrown: unknown) => {
    throw new CogmeshError('invalid_model', `${path} cannot be read`, { path }, { cause: thrown });
  });
  if (text.length > maxManifestBytes)
    throw new CogmeshError('invalid_model', `${path} is larger than ${maxManifestBytes} bytes`, { path });
  const manifest = parseManifest(parseYaml(text, path), path);
  const key = modelKey(manifest);
  if (key !== expectedKey)
    throw new CogmeshError('invalid_model', `${path} says it is ${key}, its folder says ${expectedKey}`, { path });
  const [variant] = manifest.variants;
  if (!variant) throw new CogmeshError('invalid_model', `${path} names no variant`, { path });
  const located = (artifact: { source: ModelSource; sha256: string }): FileToLoad => ({
    path: locate(artifact.source, folder),
    sha256: artifact.sha256,
  });
  const assets = Object.fromEntries(Object.entries(manifest.assets).map(([name, asset]) => [name, located(asset)]));
  return { key, manifest, file: located(variant), assets };
}

function parseYaml(text: string, path: string): unknown {
  try {
    return parse(text);
  } catch (thrown) {
    throw new CogmeshError('invalid_model', `${path}: ${thrown instanceof Error ? thrown.message : String(thrown)}`, {
      path,
    });
  }
}

function locate(source: ModelSource, folder: string): string {
  const path = 'file' in source ? join(folder, source.file) : join(packageFolder(source.package), source.path);
  if (!existsSync(path)) throw new CogmeshError('invalid_model', `${path} does not exist`, { path });
  return path;
}

/** Found from this file's place, so that the packages are the worker's own dependencies. */
function packageFolder(name: string): string {
  const manifest = findPackage(name);
  if (!manifest) throw new CogmeshError('invalid_model', `the npm package ${name} is not installed`, { package: name });
  return dirname(manifest);
}

function findPackage(name: string): string | undefined {
  try {
    return findPackageJSON(name, import.meta.url);
  } catch {
    return undefined;
  }
}
