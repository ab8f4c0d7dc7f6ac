/**
 * A spooled record as an enforcement point wrote it -> the entries it stands for. Everything is checked; what is not readable does not
 * stop the spool it is in, but becomes an entry that says so.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { AuditedSubject, Entry } from './entry.js';
import { listMax, recordDecisionsMax, textMaxChars } from './limits.js';

export interface RecordSource {
  readonly spoolId: string;
  readonly sequence: number;
  /** The service that sent it, proven by its token. */
  readonly sender: string;
}

/** Code of the entry in place of a record that could not be read. */
export const unreadableCode = 'unreadable_record';

export function entriesOf(recordJson: string, source: RecordSource): Entry[] {
  try {
    return read(recordJson, source);
  } catch (error) {
    if (!(error instanceof CogmeshError)) throw error;
    return [unreadable(error.message, source)];
  }
}

function read(recordJson: string, { spoolId, sequence, sender }: RecordSource): Entry[] {
  const record = fieldsOf(parsed(recordJson), 'the record');
  const subject = subjectOf(fieldsOf(record['subject'], 'subject'));
  // A service speaks for itself; a sidecar for the service that it guards.
  const point = sender === 'sidecar' ? text(record, 'point') : sender;
  const common = { atMs: whole(record, 'at'), point, subject, contextJson: JSON.stringify(record['context'] ?? {}) };
  const decisions = record['decisions'];
  if (!Array.isArray(decisions) || decisions.length === 0 || decisions.length > recordDecisionsMax)
    throw wrong('decisions', `a list of 1 to ${String(recordDecisionsMax)}`);
  return decisions.map((decision: unknown, i): Entry => {
    const id = `${spoolId}.${String(sequence)}.${String(i)}`;
    return { id, ...common, ...decisionOf(fieldsOf(decision, `decisions[${String(i)}]`), id) };
  });
}

type DecisionFields = Omit<Entry, 'id' | 'atMs' | 'point' | 'subject' | 'contextJson'>;

function decisionOf(decision: Fields, id: string): DecisionFields {
  return {
    action: text(decision, 'action'),
    resource: text(decision, 'resource'),
    owner: text(decision, 'owner'),
    allowed: flag(decision, 'allowed'),
    code: text(decision, 'code'),
    reason: text(decision, 'reason'),
    rules: list(decision, 'rules'),
    epoch: whole(decision, 'epoch'),
    grantId: text(decision, 'grantId', ''),
    decisionId: text(decision, 'decisionId', '') || id,
    cached: decision['cached'] === true,
    count: decision['count'] === undefined ? 1 : Math.max(1, whole(decision, 'count')),
  };
}

function subjectOf(subject: Fields): AuditedSubject {
  return {
    issuer: text(subject, 'issuer'),
    sub: text(subject, 'sub'),
    organisation: text(subject, 'organisation'),
    roles: list(subject, 'roles'),
    attributesJson: JSON.stringify(subject['attributes'] ?? {}),
  };
}

function unreadable(reason: string, { spoolId, sequence, sender }: RecordSource): Entry {
  const id = `${spoolId}.${String(sequence)}.0`;
  const nobody = { issuer: '', sub: '', organisation: '', roles: [], attributesJson: '{}' };
  const nothing = { action: '', resource: '', owner: '', contextJson: '{}', rules: [], epoch: 0, grantId: '' };
  const outcome = { allowed: false, code: unreadableCode, reason, cached: false, count: 1 };
  return { id, atMs: 0, point: sender, subject: nobody, ...nothing, ...outcome, decisionId: id };
}

type Fields = Readonly<Record<string, unknown>>;

function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    throw new CogmeshError('invalid_json', 'the record is not JSON');
  }
}

function fieldsOf(value: unknown, name: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw wrong(name, 'an object');
}

function text(fields: Fields, name: string, fallback?: string): string {
  const value = fields[name] ?? fallback;
  if (typeof value === 'string' && value.length <= textMaxChars) return value.toWellFormed();
  throw wrong(name, `text of at most ${String(textMaxChars)} characters`);
}

function list(fields: Fields, name: string): string[] {
  const value = fields[name];
  if (!Array.isArray(value) || value.length > listMax) throw wrong(name, `a list of at most ${String(listMax)} texts`);
  return value.map((_, i) => text(value as unknown as Fields, String(i)));
}

function whole(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw wrong(name, 'a whole number');
}

function flag(fields: Fields, name: string): boolean {
  const value = fields[name];
  if (typeof value === 'boolean') return value;
  throw wrong(name, 'true or false');
}

const wrong = (name: string, expected: string): CogmeshError =>
  new CogmeshError('invalid_argument', `"${name}" of the record is not ${expected}`);
