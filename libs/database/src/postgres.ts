import { CogmeshError, toCogmeshError } from '@cogmesh/errors';
import { Pool } from 'pg';
import type { Database } from './port.js';
import { PostgresEngine } from './postgres-engine.js';
import { postgresTypes } from './postgres-types.js';
import { RelationalDatabase } from './relational-database.js';

/** Defaults; each is an option of `openPostgres`. Milliseconds but for the first. */
const defaults = {
  poolSize: 8,
  statementTimeoutMs: 30_000,
  idleInTransactionMs: 60_000,
  connectTimeoutMs: 5_000,
  answerGraceMs: 5_000,
};
const idleConnectionMs = 30_000;
/**
 * Every hot statement finds its rows by key. The planner would read whole tables as long as its statistics call them small, and
 * keep that plan while they grow within seconds.
 */
const planByKey = 'jit enable_seqscan enable_hashjoin enable_mergejoin'.split(' ').map((name) => `-c ${name}=off`);
const schemaName = /^[a-z_][a-z0-9_]{0,62}$/;

export interface PostgresOptions {
  /** The service's own schema, created when missing; every name without a schema means this one. */
  readonly schema: string;
  /** Most connections at a time. Default 8. */
  readonly poolSize?: number;
  /** The server ends a statement after this time (`timeout`). Default 30 s. */
  readonly statementTimeoutMs?: number;
  /** The server ends a transaction in which nothing happens for this time. Default 60 s. */
  readonly idleInTransactionMs?: number;
  /** Longest wait for a connection, the pool's queue included. Default 5 s. */
  readonly connectTimeoutMs?: number;
  /** How much longer than `statementTimeoutMs` a silent server is waited for before its connection is given up. Default 5 s. */
  readonly answerGraceMs?: number;
}

/**
 * Connects and creates the schema. Rejects with `unavailable` when the server cannot be reached and with `invalid_config`
 * for a bad url, schema name, user or database. Later losses of the connection heal by themselves.
 */
export async function openPostgres(url: string, options: PostgresOptions): Promise<Database> {
  const limits = { ...defaults, ...options };
  if (!schemaName.test(options.schema))
    throw new CogmeshError('invalid_config', `"${options.schema}" cannot name a schema`);
  const pool = new Pool({
    connectionString: withSettings(url, options.schema),
    max: limits.poolSize,
    idleTimeoutMillis: idleConnectionMs,
    connectionTimeoutMillis: limits.connectTimeoutMs,
    statement_timeout: limits.statementTimeoutMs,
    idle_in_transaction_session_timeout: limits.idleInTransactionMs,
    application_name: `cogmesh.${options.schema}`,
    keepAlive: true,
    // A statement is sent without waiting for the answer to the one before; the server runs them in order all the same.
    pipeline: true,
    types: postgresTypes,
  });
  // A lost connection also shows in the query that used it, or in nothing at all when it was idle.
  pool.on('error', () => undefined);
  pool.on('connect', (client) => client.on('error', () => undefined));
  const engine = new PostgresEngine(pool, limits.statementTimeoutMs + limits.answerGraceMs);
  try {
    await createSchema(engine, options.schema);
    return new RelationalDatabase(engine);
  } catch (thrown) {
    await engine.close();
    throw thrown;
  }
}

/** Set by the connection's start-up message: no statement can run before they hold. The url's own win over the planner's. */
function withSettings(url: string, schema: string): string {
  if (!URL.canParse(url)) throw new CogmeshError('invalid_config', 'the database url cannot be parsed');
  const parsed = new URL(url);
  const given = parsed.searchParams.get('options') ?? '';
  parsed.searchParams.set('options', [...planByKey, given, `-c search_path=${schema}`].filter(Boolean).join(' '));
  return parsed.href;
}

/** Looks first: a role that may not create schemas can use the one it was given. */
async function createSchema(engine: PostgresEngine, schema: string): Promise<void> {
  const exists = { text: 'select 1 from pg_namespace where nspname = $1', parameters: [schema] };
  if ((await engine.run(exists)).rows.length > 0) return;
  try {
    await engine.run({ text: `create schema if not exists "${schema}"`, parameters: [] });
  } catch (thrown) {
    // Two services of the same schema starting together: IF NOT EXISTS does not cover the race.
    if (toCogmeshError(thrown).code !== 'already_exists') throw thrown;
  }
}
