import { CogmeshError } from '@cogmesh/errors';
import { sql } from 'kysely';
import { collateC, migrationLock, nowMillis } from './dialects.js';
import type { Migration, SqlRunner } from './port.js';

/**
 * Applies what is missing in name order, all of it or nothing: the caller's transaction holds the lock, so that services
 * starting together migrate once. Names applied by someone else in the same schema are left alone.
 */
export async function applyMigrations(tx: SqlRunner, migrations: readonly Migration[]): Promise<void> {
  const ordered = inOrder(migrations);
  await tx.query(migrationLock);
  await tx.execute(sql`create table if not exists schema_migrations
    (name text ${collateC} primary key, applied_at bigint not null)`);
  const applied = new Set(
    (await tx.query(sql<{ name: string }>`select name from schema_migrations`)).map((row) => row.name),
  );
  for (const { name, up } of ordered) {
    if (applied.has(name)) continue;
    await up(tx);
    await tx.execute(sql`insert into schema_migrations (name, applied_at) values (${name}, ${nowMillis})`);
  }
}

function inOrder(migrations: readonly Migration[]): readonly Migration[] {
  const ordered = migrations.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const twice = ordered.find((migration, index) => migration.name === ordered[index + 1]?.name);
  if (twice) throw new CogmeshError('invalid_argument', `two migrations are named "${twice.name}"`);
  return ordered;
}
