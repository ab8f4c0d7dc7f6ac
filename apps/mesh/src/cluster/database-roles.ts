/** One login role per service, owner of its own schema and of nothing else: no service can read another's tables. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { openPostgres, sql } from '@cogmesh/database';

type Passwords = Readonly<Record<string, string>>;

/** Idempotent; passwords are kept in `file` (0600) over restarts. */
export async function createDatabaseRoles(
  adminUrl: string,
  file: string,
  services: readonly string[],
): Promise<Passwords> {
  const passwords = await keptPasswords(file, services);
  const admin = await openPostgres(adminUrl, { schema: 'cluster_admin' });
  try {
    for (const service of services) await createRole(admin, service, passwords[service] ?? '');
  } finally {
    await admin.close();
  }
  return passwords;
}

async function createRole(
  admin: Awaited<ReturnType<typeof openPostgres>>,
  service: string,
  password: string,
): Promise<void> {
  const [found] = await admin.query<{ rolname: string }>(sql`SELECT rolname FROM pg_roles WHERE rolname = ${service}`);
  // DDL takes no parameters: the name is one of ours, the password is hexadecimal.
  if (!found) await admin.execute(sql`CREATE ROLE ${sql.id(service)} LOGIN PASSWORD ${sql.lit(password)}`);
  await admin.execute(sql`CREATE SCHEMA IF NOT EXISTS ${sql.id(service)} AUTHORIZATION ${sql.id(service)}`);
}

async function keptPasswords(file: string, services: readonly string[]): Promise<Passwords> {
  if (existsSync(file)) return JSON.parse(await readFile(file, 'utf8')) as Passwords;
  const passwords = Object.fromEntries(services.map((service) => [service, randomBytes(16).toString('hex')]));
  await writeFile(file, JSON.stringify(passwords), { mode: 0o600 });
  return passwords;
}

export function roleUrl(adminUrl: string, role: string, password: string): string {
  const url = new URL(adminUrl);
  url.username = role;
  url.password = password;
  return url.href;
}
