/**
 * PostgreSQL's results in the shapes SQLite gives: integers are numbers (beyond 2^53 - 1 refused, `data_loss`), booleans
 * are 0/1, JSON is text, bytes are a plain Uint8Array.
 */
import { CogmeshError } from '@cogmesh/errors';
import { types } from 'pg';

const { builtins } = types;
type Parser = (text: string) => unknown;

function integer(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value)) throw new CogmeshError('data_loss', `a stored integer is beyond 2^53 - 1: ${text}`);
  return value;
}

const parsers: Readonly<Record<number, Parser>> = {
  [builtins.INT8]: integer,
  // What sum() and avg() of bigint return.
  [builtins.NUMERIC]: (text) => (/^-?\d+$/.test(text) ? integer(text) : Number(text)),
  [builtins.BOOL]: (text) => (text === 't' ? 1 : 0),
  [builtins.JSON]: (text) => text,
  [builtins.JSONB]: (text) => text,
  [builtins.BYTEA]: (text) => new Uint8Array(Buffer.from(text.slice('\\x'.length), 'hex')),
};

/** For the driver's `types` option, so that nothing global changes. */
export const postgresTypes = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    parsers[oid] ?? types.getTypeParser(oid, format as 'text')) as typeof types.getTypeParser,
};
