/**
 * A statement of kysely's `sql` tag as one dialect's text. `byDialect` is how a fragment differs: it holds both forms and
 * the compiler takes its own, so that callers stay free of dialects.
 */
import {
  PostgresQueryCompiler,
  sql,
  SqliteQueryCompiler,
  type Expression,
  type QueryId,
  type RawBuilder,
  type RawNode,
} from 'kysely';
import type { Compiled, Dialect } from './engine.js';
import type { Statement } from './port.js';
import { checkedValue } from './values.js';

interface DialectNode extends RawNode {
  readonly forms: Readonly<Record<Dialect, RawNode>>;
}

const isDialectNode = (node: RawNode): node is DialectNode => 'forms' in node;

/** One fragment, written once per dialect; only the chosen form and its parameters reach the database. */
export function byDialect<Row>(forms: { readonly [D in Dialect]: RawBuilder<unknown> }): RawBuilder<Row> {
  const node: DialectNode = {
    kind: 'RawNode',
    sqlFragments: [],
    parameters: [],
    forms: { postgres: rawNode(forms.postgres), sqlite: rawNode(forms.sqlite) },
  };
  const expression: Expression<Row> = { expressionType: undefined, toOperationNode: () => node };
  return sql<Row>`${expression}`;
}

const rawNode = (builder: RawBuilder<unknown>) => builder.toOperationNode() as RawNode;

class PostgresText extends PostgresQueryCompiler {
  protected override visitRaw(node: RawNode): void {
    super.visitRaw(isDialectNode(node) ? node.forms.postgres : node);
  }
}

class SqliteText extends SqliteQueryCompiler {
  protected override visitRaw(node: RawNode): void {
    super.visitRaw(isDialectNode(node) ? node.forms.sqlite : node);
  }
}

const compilers = { postgres: new PostgresText(), sqlite: new SqliteText() } as const;
const queryId: QueryId = { queryId: 'cogmesh' };

/** Checks every parameter (`invalid_argument`) and writes the dialect's text. */
export function compile(dialect: Dialect, statement: Statement): Compiled {
  const { sql: text, parameters } = compilers[dialect].compileQuery(rawNode(statement), queryId);
  const values = parameters.map(checkedValue);
  return { text, parameters: dialect === 'sqlite' ? values.map(sqliteValue) : values };
}

/** node:sqlite binds every number as a float; an integer must stay one in expressions. */
const sqliteValue = (value: unknown) => (Number.isInteger(value) ? BigInt(value as number) : value);
