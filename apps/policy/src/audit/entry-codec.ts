/**
 * The canonical bytes of an entry: every field in one fixed order, each behind its length (4 bytes, big-endian), lists behind their
 * number. Equal entries have equal bytes and different ones different bytes, whatever their strings contain; the hash is over these bytes,
 * and they are what is stored.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { Entry } from './entry.js';

/** First field of every entry's bytes; changes when the order or the meaning of fields does. */
const format = 'cogmesh.audit.entry.v1';

export function encodeEntry(entry: Entry): Buffer {
  const { subject } = entry;
  return encodeFields([
    format,
    entry.id,
    String(entry.atMs),
    entry.point,
    subject.issuer,
    subject.sub,
    subject.organisation,
    ...listFields(subject.roles),
    subject.attributesJson,
    entry.action,
    entry.resource,
    entry.owner,
    entry.contextJson,
    entry.allowed ? '1' : '0',
    entry.code,
    entry.reason,
    ...listFields(entry.rules),
    String(entry.epoch),
    entry.grantId,
    entry.decisionId,
    entry.cached ? '1' : '0',
    String(entry.count),
  ]);
}

/** `data_loss` for bytes that no entry has. */
export function decodeEntry(bytes: Buffer): Entry {
  const read = new FieldReader(bytes);
  if (read.text() !== format) throw damaged('it is of another format');
  const entry: Entry = {
    id: read.text(),
    atMs: read.number(),
    point: read.text(),
    subject: {
      issuer: read.text(),
      sub: read.text(),
      organisation: read.text(),
      roles: read.list(),
      attributesJson: read.text(),
    },
    action: read.text(),
    resource: read.text(),
    owner: read.text(),
    contextJson: read.text(),
    allowed: read.flag(),
    code: read.text(),
    reason: read.text(),
    rules: read.list(),
    epoch: read.number(),
    grantId: read.text(),
    decisionId: read.text(),
    cached: read.flag(),
    count: read.number(),
  };
  read.end();
  return entry;
}

const listFields = (items: readonly string[]): string[] => [String(items.length), ...items];

/** Every field behind its length, in UTF-8. */
export function encodeFields(fields: readonly string[]): Buffer {
  const sizes = fields.map((field) => Buffer.byteLength(field));
  const bytes = Buffer.allocUnsafe(sizes.reduce((sum, size) => sum + size + 4, 0));
  let at = 0;
  fields.forEach((field, i) => {
    at = bytes.writeUInt32BE(sizes[i] ?? 0, at);
    at += bytes.write(field, at);
  });
  return bytes;
}

const listMax = 10_000;

class FieldReader {
  #at = 0;

  constructor(private readonly bytes: Buffer) {}

  text(): string {
    const start = this.#at + 4;
    if (start > this.bytes.length) throw damaged('it ends too early');
    const end = start + this.bytes.readUInt32BE(this.#at);
    if (end > this.bytes.length) throw damaged('it ends too early');
    this.#at = end;
    return this.bytes.toString('utf8', start, end);
  }

  number(): number {
    const number = Number(this.text());
    if (!Number.isSafeInteger(number) || number < 0) throw damaged('a number in it is none');
    return number;
  }

  flag(): boolean {
    const text = this.text();
    if (text !== '0' && text !== '1') throw damaged('a flag in it is none');
    return text === '1';
  }

  list(): string[] {
    const length = this.number();
    if (length > listMax) throw damaged('a list in it has no end');
    return Array.from({ length }, () => this.text());
  }

  end(): void {
    if (this.#at !== this.bytes.length) throw damaged('something follows it');
  }
}

const damaged = (why: string): CogmeshError =>
  new CogmeshError('data_loss', `the stored bytes are not an entry of the decision log: ${why}`);
