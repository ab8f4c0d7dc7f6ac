/**
 * Request bodies. Fastify hands every body on as a stream, so that nothing is read before the guard has let the caller in;
 * these pipes then read it, within a limit of their own.
 */
import type { Readable } from 'node:stream';
import { Injectable, type PipeTransform } from '@nestjs/common';
import { CogmeshError } from '@cogmesh/errors';
import type { z } from 'zod';
import { parseJson } from '../operations/json-text.js';

/** The body as text. Rejects with `payload_too_large` past `maxBytes`, and with `invalid_json` when it is not UTF-8. */
async function readText(body: AsyncIterable<Buffer>, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw tooLarge(maxBytes);
    chunks.push(chunk);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
  } catch (cause) {
    throw new CogmeshError('invalid_json', 'the body is not UTF-8', {}, { cause });
  }
}

export const tooLarge = (maxBytes: number): CogmeshError =>
  new CogmeshError('payload_too_large', `the body is larger than ${maxBytes} bytes`, { limitBytes: maxBytes });

/** What a handler reads a body with. */
export interface BodyReader {
  text(maxBytes: number): Promise<string>;
  /** JSON of the shape; an empty body is `{}`. Rejects with `invalid_argument` and every issue. */
  json<Schema extends z.ZodType>(schema: Schema, maxBytes: number): Promise<z.output<Schema>>;
  /** The bytes as they come. */
  readonly content: AsyncIterable<Buffer>;
}

/** `@Body(BodyPipe) body: BodyReader`. */
@Injectable()
export class BodyPipe implements PipeTransform<Readable, BodyReader> {
  transform(stream: Readable | undefined | null): BodyReader {
    const content = contentOf(stream);
    return {
      content,
      text: (maxBytes) => readText(content, maxBytes),
      json: async (schema, maxBytes) => checked(schema, parseJson((await readText(content, maxBytes)) || '{}')),
    };
  }
}

/** A reader that stops half-way must not destroy the request: its connection still carries the answer. */
async function* contentOf(stream: Readable | undefined | null): AsyncGenerator<Buffer> {
  if (stream) yield* stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
}

/** Rejects with `invalid_argument` and one issue per problem. */
export function checked<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path, code, message }) => ({ path: pathText(path), code, message }));
  const [first] = issues;
  throw new CogmeshError('invalid_argument', `${first?.path || 'the value'}: ${first?.message}`, { issues });
}

const pathText = (path: readonly PropertyKey[]): string =>
  path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('')
    .replace(/^\./, '');
