export { sql } from 'kysely';
export { byDialect } from './compile.js';
export {
  bulk,
  bulkLists,
  collateC,
  failUnless,
  forUpdate,
  json,
  jsonColumn,
  jsonText,
  nowMillis,
  oneOf,
  type BulkRow,
  type BulkType,
} from './dialects.js';
export type { BatchOptions, Database, Migration, SqlRunner, Statement } from './port.js';
export { openPostgres, type PostgresOptions } from './postgres.js';
export { openSqlite, type SqliteOptions } from './sqlite.js';
