/**
 * A run document from a file: JSON as it is, or a module (`.ts`, `.mts`, `.js`, `.mjs`) that exports a `Dag` or a document as
 * `default` or `dag`. A module runs with the rights of whoever calls the command.
 */
import { readFile } from 'node:fs/promises';
import { extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { CogmeshError } from '@cogmesh/sdk';

const moduleTypes = new Set(['.ts', '.mts', '.js', '.mjs']);

/** The document as JSON text. Rejects with `not_found`, or `invalid_argument` when the module exports no run. */
export async function loadDocument(file: string): Promise<string> {
  if (moduleTypes.has(extname(file))) return documentOfModule(file);
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new CogmeshError('not_found', `cannot read the run document ${file}`, { file }, { cause });
  }
}

async function documentOfModule(file: string): Promise<string> {
  const loaded = await importModule(file);
  const run = loaded['default'] ?? loaded['dag'];
  if (typeof run !== 'object' || run === null) {
    throw new CogmeshError('invalid_argument', `${file} exports no run: export a DAG or a document as "dag"`, { file });
  }
  // A Dag compiles itself; comparing classes would fail where the module has a copy of the SDK of its own.
  return JSON.stringify(run);
}

async function importModule(file: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    return (await import(pathToFileURL(resolve(file)).href)) as Record<string, unknown>;
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new CogmeshError('invalid_argument', `cannot load ${file}: ${message}`, { file }, { cause });
  }
}
