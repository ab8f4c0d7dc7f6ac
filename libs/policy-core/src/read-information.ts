/** Reads where an organisation wants to be asked about its resources. Whether the address may be reached is the asker's to say. */
import type { DocumentReader } from './document-reader.js';
import { limits } from './limits.js';
import type { AttributeType, InformationSource } from './types.js';

const types: readonly string[] = ['string', 'number', 'boolean', 'list', 'map'] satisfies AttributeType[];
const attributeName = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;
const timeoutMinMs = 10;

export function readInformation(reader: DocumentReader, json: unknown): InformationSource {
  const fields = reader.object(json, 'information', ['url', 'attributes', 'timeoutMs', 'ttlMs']);
  const url = reader.optionalText(fields.url ?? null, { path: 'information.url', maxChars: limits.urlChars }) ?? '';
  const problem = urlProblem(url);
  if (problem !== undefined) reader.issue('information.url', 'invalid_url', problem);
  const timeoutMs = milliseconds(reader, fields.timeoutMs, {
    path: 'information.timeoutMs',
    min: timeoutMinMs,
    max: limits.informationTimeoutMs,
  });
  const ttlMs = milliseconds(reader, fields.ttlMs, {
    path: 'information.ttlMs',
    min: 0,
    max: limits.informationTtlMs,
  });
  return {
    url,
    attributes: readTypes(reader, fields.attributes),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(ttlMs === undefined ? {} : { ttlMs }),
  };
}

function readTypes(reader: DocumentReader, json: unknown): Record<string, AttributeType> {
  const path = 'information.attributes';
  const entries = reader.entries(json, { path, max: limits.members });
  if (entries.length === 0) reader.issue(path, 'empty', 'must declare at least one attribute and its type');
  for (const [name, type] of entries) {
    if (!attributeName.test(name))
      reader.issue(`${path}.${name}`, 'invalid_name', `does not match ${attributeName.source}`);
    if (typeof type !== 'string' || !types.includes(type))
      reader.issue(`${path}.${name}`, 'invalid_type', `must be one of ${types.join(', ')}`);
  }
  return Object.fromEntries(entries) as Record<string, AttributeType>;
}

function urlProblem(url: string): string | undefined {
  if (!URL.canParse(url)) return 'is not an absolute URL';
  const { protocol, username, password, hash } = new URL(url);
  if (protocol !== 'https:' && protocol !== 'http:') return 'must be https';
  return username + password + hash === '' ? undefined : 'must have neither credentials nor a fragment';
}

interface Range {
  readonly path: string;
  readonly min: number;
  readonly max: number;
}

function milliseconds(reader: DocumentReader, json: unknown, { path, min, max }: Range): number | undefined {
  if (json === undefined) return undefined;
  if (Number.isInteger(json) && Number(json) >= min && Number(json) <= max) return Number(json);
  reader.issue(path, 'out_of_range', `must be a whole number from ${String(min)} to ${String(max)}`);
  return undefined;
}
