import { CogmeshError, type ErrorCode } from '@cogmesh/errors';
import { contentionError } from './contention.js';
import type { SqliteFailure } from './sqlite-worker.js';

/** By SQLite's extended result code, then by the primary one (its low byte): https://sqlite.org/rescode.html */
const codes: Readonly<Record<number, ErrorCode>> = {
  1555: 'already_exists', // SQLITE_CONSTRAINT_PRIMARYKEY
  2067: 'already_exists', // SQLITE_CONSTRAINT_UNIQUE
  2579: 'already_exists', // SQLITE_CONSTRAINT_ROWID
  19: 'failed_precondition', // SQLITE_CONSTRAINT: foreign key, check, not null
  8: 'unavailable', // SQLITE_READONLY
  10: 'unavailable', // SQLITE_IOERR
  13: 'unavailable', // SQLITE_FULL
  14: 'unavailable', // SQLITE_CANTOPEN
  11: 'data_loss', // SQLITE_CORRUPT
  26: 'data_loss', // SQLITE_NOTADB
  18: 'payload_too_large', // SQLITE_TOOBIG
};
/** Of `failUnless`, which has no code of its own. */
const failedCondition = 'integer overflow';
const busy = 5;
const locked = 6;

/** A failure of the thread as our error. */
export function fromSqlite(failure: SqliteFailure): CogmeshError {
  const { errcode, message } = failure;
  if (failure.code === 'ERR_OUT_OF_RANGE')
    return new CogmeshError('data_loss', `a stored integer is beyond 2^53 - 1: ${message}`);
  // Of the file system (ENOTDIR, EACCES) while the folder is made.
  if (errcode === undefined) return new CogmeshError(failure.code ? 'unavailable' : 'internal', message);
  const primary = errcode & 0xff;
  if (message === failedCondition)
    return new CogmeshError('failed_precondition', 'a condition of the statement does not hold');
  if (primary === busy || primary === locked) return contentionError(`the SQLite file is busy: ${message}`, failure);
  return new CogmeshError(codes[errcode] ?? codes[primary] ?? 'internal', message, { sqliteCode: errcode });
}
