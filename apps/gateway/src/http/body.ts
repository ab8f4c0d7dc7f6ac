/**
 * Request bodies. Fastify hands every body on as a stream, so that nothing is read before the guard has let the caller in;
 * these pipes then read it, within a limit of their own.
 */
import { isUtf8 } from 'node:buffer';
import type { Readable } from 'node:stream';
import { Injectable, type PipeTransform } from '@nestjs/common';
import { CogmeshError } from '@cogmesh/errors';
import type { z } from 'zod';
import { parseJson } from '../operations/json-text.js';

/**
 * The body as text, a byte order mark left out. Rejects with `payload_too_large` past `maxBytes`, and with `invalid_json`
 * when it is not UTF-8.
 */
async function readText(stream: Readable | undefined | null, maxBytes: number): Promise<string> {
  const bytes = stream ? await readBytes(stream, maxBytes) : Buffer.alloc(0);
  if (!isUtf8(bytes)) throw new CogmeshError('invalid_json', 'the body is not UTF-8');
  const text = bytes.toString('utf8');
  return text.startsWith('\ufeff') ? text.slice(1) : text;
}

/** By events: an iterator costs several times as much for the one chunk that most bodies are. */
function readBytes(stream: Readable, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => {
      // What is left stays unread: the connection still carries the answer.
      stream.off('data', take).off('end', end).off('error', fail).off('close', cutOff).pause();
      act();
    };
    const take = (chunk: Buffer) => {
      length += chunk.length;
      chunks.push(chunk);
      if (length > maxBytes) settle(() => reject(tooLarge(maxBytes)));
    };
    const end = () => settle(() => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)));
    const fail = (error: Error) => settle(() => reject(error));
    const cutOff = () => fail(new CogmeshError('cancelled', 'the client left before its body was complete'));
    // An end that is over is told to nobody again.
    if (stream.readableEnded) return end();
    if (stream.destroyed) return cutOff();
    stream.on('data', take).once('end', end).once('error', fail).once('close', cutOff);
  });
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
    return {
      content: contentOf(stream),
      text: (maxBytes) => readText(stream, maxBytes),
      json: async (schema, maxBytes) => checked(schema, parseJson((await readText(stream, maxBytes)) || '{}')),
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
