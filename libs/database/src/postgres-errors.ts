import { CogmeshError, type ErrorCode } from '@cogmesh/errors';
import { DatabaseError } from 'pg';
import { contentionError } from './contention.js';

/** By SQLSTATE, then by its class (two characters): https://www.postgresql.org/docs/current/errcodes-appendix.html */
const codes: Readonly<Record<string, ErrorCode>> = {
  '23505': 'already_exists', // unique_violation
  '23': 'failed_precondition', // foreign key, check, not null
  '22012': 'failed_precondition', // division_by_zero: `failUnless`
  '22': 'invalid_argument', // a value does not fit its type
  '57014': 'timeout', // query_canceled: statement_timeout
  '57': 'unavailable', // shutdown, crash of a neighbour, starting up
  '53': 'unavailable', // out of connections, memory, disk
  '08': 'unavailable', // connection
  '25P03': 'timeout', // idle_in_transaction_session_timeout
  '28': 'invalid_config', // user or password
  '3D': 'invalid_config', // no such database
  XX001: 'data_loss',
  XX002: 'data_loss',
};
/** serialization_failure, deadlock_detected. */
const contention = new Set(['40001', '40P01']);

/** An error of the driver as ours. What the server did not say itself is about the connection. */
export function fromPostgres(thrown: unknown): CogmeshError {
  if (thrown instanceof CogmeshError) return thrown;
  const message = thrown instanceof Error ? thrown.message || thrown.constructor.name : String(thrown);
  if (!(thrown instanceof DatabaseError)) {
    return new CogmeshError('unavailable', `PostgreSQL cannot be reached: ${message}`, {}, { cause: thrown });
  }
  const state = thrown.code ?? '';
  if (contention.has(state)) return contentionError(message, thrown);
  const code = codes[state] ?? codes[state.slice(0, 2)] ?? 'internal';
  return new CogmeshError(code, message, { sqlState: state }, { cause: thrown });
}
