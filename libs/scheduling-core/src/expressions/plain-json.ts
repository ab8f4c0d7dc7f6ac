/** Turns what CEL computes into plain JSON; what JSON cannot say is an error, never a silent change. */
import type { Json } from '../json.js';

const maxDepth = 64;

export class NotJsonError extends Error {
  override readonly name = 'NotJsonError';
}

/** Throws NotJsonError for values without JSON form (bytes, types, NaN, integers beyond 2^53). */
export function toPlainJson(value: unknown, depth = 0): Json {
  if (depth > maxDepth) throw new NotJsonError(`the value is nested deeper than ${maxDepth}`);
  switch (typeof value) {
    case 'boolean':
    case 'string':
      return value;
    case 'number':
      return finite(value);
    case 'bigint':
      return safeInteger(value);
    default:
      return compound(value, depth);
  }
}

function compound(value: unknown, depth: number): Json {
  if (value === null) return null;
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map((element) => toPlainJson(element, depth + 1));
  if (value instanceof Map) return fromEntries(value.entries(), depth);
  if (typeof value === 'object' && isPlain(value)) return fromEntries(Object.entries(value), depth);
  throw new NotJsonError(`a value of type ${describe(value)} has no JSON form`);
}

function finite(value: number): number {
  if (!Number.isFinite(value)) throw new NotJsonError(`${value} has no JSON form`);
  return value;
}

function safeInteger(value: bigint): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new NotJsonError(`the integer ${value} does not fit JSON exactly`);
  return number;
}

function fromEntries(entries: Iterable<[unknown, unknown]>, depth: number): Json {
  const result: Record<string, Json> = {};
  for (const [key, element] of entries) {
    Object.defineProperty(result, String(key), {
      value: toPlainJson(element, depth + 1),
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return result;
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

function describe(value: unknown): string {
  return typeof value === 'object' ? (value?.constructor?.name ?? 'object') : typeof value;
}

/** How a value reads inside a longer text. */
export function toText(value: Json): string {
  if (typeof value === 'string') return value;
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
