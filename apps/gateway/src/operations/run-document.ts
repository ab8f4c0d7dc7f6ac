/**
 * What a run document names, so that each can be asked for before the run is handed on. It reads only `tasks[].uses` and
 * blob references; whether the document is right is the scheduler's to say, and the scheduler refuses whatever a run
 * names beyond what was granted here. A name that is not canonical is therefore left out, not corrected.
 */
import { blobIdsIn, isBlobId } from '@cogmesh/blobs';
import { CogmeshError } from '@cogmesh/errors';
import { parseJson } from './json-text.js';

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
  const tasks = isRecord(document) && Array.isArray(document['tasks']) ? (document['tasks'] as unknown[]) : [];
  const paths = tasks.map((task) => (isRecord(task) ? capabilityPath(task['uses'], organisation) : undefined));
  const capabilities = [...new Set(paths.filter((path) => path !== undefined))];
  const blobs = [...new Set(blobIdsIn(document))];
  const malformed = blobs.find((id) => !isBlobId(id));
  if (malformed !== undefined) {
    throw new CogmeshError('invalid_run', `"$blob": ${JSON.stringify(malformed.slice(0, 64))} is not the id of a blob`);
  }
  const named = capabilities.length + blobs.length;
  if (named > maxResources) {
    throw new CogmeshError(
      'invalid_run',
      `the run names ${named} distinct models, tools and blobs; at most ${maxResources} are allowed`,
      {
        named,
        limit: maxResources,
      },
    );
  }
  return { capabilities, blobs };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
