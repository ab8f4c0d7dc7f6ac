/**
 * What a run document names, so that each can be asked for before the run is handed on. It reads only `tasks[].uses`
 * (nested runs included) and blob references; whether the document is right is the scheduler's to say, and the scheduler refuses whatever a run
 * names beyond what was granted here. A name that is not canonical is therefore left out, not corrected.
 */
import { blobIdsIn, isBlobId } from '@cogmesh/blobs';
import { CogmeshError } from '@cogmesh/errors';
import type { Access } from '@cogmesh/rpc';
import { parseJson } from './json-text.js';
import { right } from './right.js';

export interface RunNames {
  /** `/models/<org>/<name>` and `/tools/<org>/<name>`, distinct. */
  readonly capabilities: readonly string[];
  /** Distinct blob ids anywhere in the inputs. */
  readonly blobs: readonly string[];
}

const name = '[a-z0-9][a-z0-9._-]{0,127}';
const modelUse = new RegExp(`^model:(?:(${name})/)?(${name})(?:@.*)?$`, 's');
const toolUse = new RegExp(`^tool:(${name})/(${name})(?:@.*)?$`, 's');

/** The canonical path that `uses` names; undefined for `script`, `sleep` and whatever is malformed. */
export function capabilityPath(uses: unknown, organisation: string): string | undefined {
  if (typeof uses !== 'string') return undefined;
  const model = modelUse.exec(uses);
  if (model !== null) return `/models/${model[1] ?? organisation}/${model[2]}`;
  const tool = toolUse.exec(uses);
  return tool === null ? undefined : `/tools/${tool[1]}/${tool[2]}`;
}

/** Rejects with `invalid_json` (line and column), or `invalid_run` when more than `maxResources` distinct things are named. */
export function namesOf(documentJson: string, organisation: string, maxResources: number): RunNames {
  const document = parseJson(documentJson);
  const paths = usesIn(document, nestingMax).map((uses) => capabilityPath(uses, organisation));
  const capabilities = [...new Set(paths.filter((path) => path !== undefined))];
  const blobs = knownBlobs(document);
  assertFew(capabilities.length + blobs.length, maxResources);
  return { capabilities, blobs };
}

/** Rights that submitting the document needs, and the blobs among them. Rejects as `namesOf` does. */
export function documentRights(
  documentJson: string,
  organisation: string,
  maxResources: number,
): { readonly rights: readonly Access[]; readonly blobs: readonly string[] } {
  const { capabilities, blobs } = namesOf(documentJson, organisation, maxResources);
  const rights = [
    right('create', '/runs'),
    ...capabilities.map((path) => right('infer', path)),
    ...blobs.map((id) => right('read', `/blobs/${id}`)),
  ];
  return { rights, blobs };
}

/** Distinct blob ids in a JSON value. Rejects as `namesOf` does. */
export function valueNames(json: string, maxResources: number): readonly string[] {
  const blobs = knownBlobs(parseJson(json));
  assertFew(blobs.length, maxResources);
  return blobs;
}

/** Documents in documents: what nests deeper is not looked into here, so the scheduler refuses it. */
const nestingMax = 8;

/** Every `uses` of the document and of the documents that its `run` tasks hold. */
function usesIn(document: unknown, depth: number): unknown[] {
  const tasks = isRecord(document) && Array.isArray(document['tasks']) ? (document['tasks'] as unknown[]) : [];
  return tasks.filter(isRecord).flatMap((task) => {
    if (task['uses'] !== 'run' || depth === 0) return [task['uses']];
    const input = isRecord(task['input']) ? task['input']['document'] : undefined;
    return [task['document'], input].flatMap((nested) => usesIn(nested, depth - 1));
  });
}

function knownBlobs(value: unknown): string[] {
  const blobs = [...new Set(blobIdsIn(value))];
  const malformed = blobs.find((id) => !isBlobId(id));
  if (malformed === undefined) return blobs;
  throw new CogmeshError('invalid_run', `"$blob": ${JSON.stringify(malformed.slice(0, 64))} is not the id of a blob`);
}

function assertFew(named: number, limit: number): void {
  if (named <= limit) return;
  const message = `the run names ${named} distinct models, tools and blobs; at most ${limit} are allowed`;
  throw new CogmeshError('invalid_run', message, { named, limit });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
