/**
 * The few statements that PostgreSQL and SQLite do not share, side by side. A caller that needs another one adds it here,
 * so that the difference between the dialects can be read on one page.
 */
import { CogmeshError } from '@cogmesh/errors';
import { sql, type RawBuilder } from 'kysely';
import { byDialect } from './compile.js';
import type { Dialect } from './engine.js';
import { checkedJsonText, checkedNumber, checkedText, jsonTextOf } from './values.js';

const nothing = sql``;

/** For DDL, after a text column's type: order and compare by bytes, as SQLite does. */
export const collateC: RawBuilder<unknown> = byDialect({ postgres: sql`collate "C"`, sqlite: nothing });

/** The type of a JSON column in DDL. (SQLite would turn the text `5` in a column called jsonb into a number.) */
export const jsonColumn: RawBuilder<unknown> = byDialect({ postgres: sql`jsonb`, sqlite: sql`text` });

/** The database's clock in milliseconds since the epoch, inside a statement: `lease_until = ${nowMillis} + 10000`. */
export const nowMillis: RawBuilder<number> = byDialect({
  postgres: sql`cast(extract(epoch from clock_timestamp()) * 1000 as bigint)`,
  sqlite: sql`cast(round(unixepoch('subsec') * 1000) as integer)`,
});

const jsonParameter = (text: string | null) =>
  byDialect<string>({ postgres: sql`cast(${text} as jsonb)`, sqlite: sql`${text}` });

/** A value as JSON parameter; undefined is SQL's NULL, null is JSON's. */
export const json = (value: unknown): RawBuilder<string> => jsonParameter(jsonTextOf(value));

/** JSON that is text already (as rows have it), without parsing it. */
export const jsonText = (text: string | null): RawBuilder<string> =>
  jsonParameter(text === null ? null : checkedJsonText(text));

/** Locks the selected rows until the transaction ends; SQLite's transactions are alone anyway. */
export function forUpdate(dialect: Dialect, options: { readonly skipLocked?: boolean } = {}): RawBuilder<unknown> {
  if (dialect === 'sqlite') return nothing;
  return options.skipLocked ? sql`for update skip locked` : sql`for update`;
}

/** Held until the transaction ends. One lock per schema (SQLite: BEGIN IMMEDIATE is the lock). */
export const migrationLock: RawBuilder<unknown> = byDialect({
  postgres: sql`select pg_advisory_xact_lock(hashtext('cogmesh.migrations'), hashtext(current_schema()))`,
  sqlite: sql`select 1`,
});

/** `json`: any value (as `json()`); `jsonText`: JSON as text; `integer`: 32 bits; `bigint`: up to 2^53 - 1. */
export type BulkType = 'text' | 'integer' | 'bigint' | 'double' | 'json' | 'jsonText';

interface BulkValues {
  text: string | null;
  integer: number | boolean | null;
  bigint: number | null;
  double: number | null;
  json: unknown;
  jsonText: string | null;
}

export type BulkRow<Columns extends Readonly<Record<string, BulkType>>> = {
  readonly [Name in keyof Columns]: BulkValues[Columns[Name]];
};

const columnName = /^[A-Za-z_][A-Za-z0-9_]{0,62}$/;
const maxInt32 = 2 ** 31 - 1;

/**
 * Many rows as one parameter, for FROM: `insert into t (id, n) select id, n from ${bulk(tx.dialect, rows, { id: 'text',
 * n: 'bigint' })} as r`. A missing value is NULL. Rejects values as the `sql` tag does (`invalid_argument`).
 */
export function bulk<const Columns extends Readonly<Record<string, BulkType>>>(
  dialect: Dialect,
  rows: readonly BulkRow<Columns>[],
  columns: Columns,
): RawBuilder<unknown> {
  const names = Object.keys(columns);
  return bulkLists(dialect, rows.map((row) => names.map((name) => row[name])), columns); // prettier-ignore
}

/** As `bulk`, of rows that are lists in the order of the columns. The same object of columns every time is the faster. */
export function bulkLists(
  dialect: Dialect,
  rows: readonly (readonly unknown[])[],
  columns: Readonly<Record<string, BulkType>>,
): RawBuilder<unknown> {
  const { types, selected } = shapeOf(columns);
  const cells = rows.map((row) => types.map((type, index) => bulkCell(row[index], type)));
  const document = JSON.stringify(cells);
  return dialect === 'postgres'
    ? sql`(select ${selected.postgres} from jsonb_array_elements(cast(${document} as jsonb)) as bulk_rows(cells))`
    : sql`(select ${selected.sqlite} from json_each(${document}))`;
}

interface BulkShape {
  readonly types: readonly BulkType[];
  readonly selected: Readonly<Record<Dialect, RawBuilder<unknown>>>;
}

const shapes = new WeakMap<object, BulkShape>();

const postgresTypes: Readonly<Record<BulkType, string>> = {
  text: 'text',
  integer: 'integer',
  bigint: 'bigint',
  double: 'double precision',
  json: 'jsonb',
  jsonText: 'jsonb',
};

/** Lists in a list, cell by cell: half the work of `jsonb_to_recordset`, and for few rows of `unnest` with many columns. */
function shapeOf(columns: Readonly<Record<string, BulkType>>): BulkShape {
  const known = shapes.get(columns);
  if (known) return known;
  const named = Object.entries(columns);
  for (const [name] of named) {
    if (!columnName.test(name)) throw new CogmeshError('invalid_argument', `"${name}" cannot name a bulk column`);
  }
  const list = (cell: (type: BulkType, index: number) => string) =>
    sql.raw(named.map(([name, type], index) => `${cell(type, index)} as "${name}"`).join(', '));
  const shape = {
    types: named.map(([, type]) => type),
    selected: {
      postgres: list((type, index) => `cast(cells ->> ${index} as ${postgresTypes[type]})`),
      sqlite: list((_type, index) => `json_extract(value, '$[${index}]')`),
    },
  };
  shapes.set(columns, shape);
  return shape;
}

/** https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO */
function arrayText(cells: readonly (string | number | null)[]): string {
  const written = cells.map((cell) => {
    if (typeof cell !== 'string') return cell ?? 'NULL';
    return `"${/["\\]/.test(cell) ? cell.replaceAll(/["\\]/g, '\\$&') : cell}"`;
  });
  return `{${written.join(',')}}`;
}

/**
 * Compares with any of a list: `where id ${oneOf(ids, 'text')}`. The list is one parameter, so that the statement's text
 * does not depend on its length.
 */
export function oneOf<const Type extends 'text' | 'bigint'>(
  values: readonly NonNullable<BulkValues[Type]>[],
  type: Type,
): RawBuilder<unknown> {
  const cells = values.map((value) => bulkCell(value, type));
  return byDialect({
    postgres: sql`= any(cast(${arrayText(cells)} as ${sql.raw(postgresTypes[type])}[]))`,
    sqlite: sql`in (select value from json_each(${JSON.stringify(cells)}))`,
  });
}

/** A value to select that makes the statement fail with `failed_precondition` where the condition does not hold. */
export function failUnless(condition: RawBuilder<unknown>): RawBuilder<number> {
  return byDialect({
    postgres: sql`1 / (case when ${condition} then 1 else 0 end)`,
    // The one absolute value that is no 64-bit integer.
    sqlite: sql`abs(case when ${condition} then 1 else -9223372036854775807 - 1 end)`,
  });
}

/** JSON travels as a string, so that both dialects see the same text. */
function bulkCell(value: unknown, type: BulkType): string | number | null {
  if (type === 'json') return jsonTextOf(value);
  if (value === null || value === undefined) return null;
  if (type === 'text' || type === 'jsonText') {
    if (typeof value !== 'string')
      throw new CogmeshError('invalid_argument', `a ${typeof value} in a bulk column of text`);
    return type === 'text' ? checkedText(value) : checkedJsonText(value);
  }
  return bulkNumber(value, type);
}

function bulkNumber(value: unknown, type: BulkType): number {
  const number = typeof value === 'boolean' ? Number(value) : value;
  if (typeof number !== 'number')
    throw new CogmeshError('invalid_argument', `a ${typeof value} in a bulk column of ${type}`);
  const fits = type === 'double' || (Number.isInteger(number) && (type === 'bigint' || Math.abs(number) <= maxInt32));
  if (!fits) throw new CogmeshError('invalid_argument', `${number} does not fit a bulk column of ${type}`);
  return checkedNumber(number);
}
