import { execFileSync } from 'node:child_process';
import { accessSync, constants, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { CogmeshError } from '@cogmesh/errors';

/** Where Debian and Ubuntu keep each major version. */
const debianRoot = '/usr/lib/postgresql';
const howToGetIt =
  'PostgreSQL (initdb and postgres) was not found: install it (Debian, Ubuntu: `apt-get install -y postgresql`), ' +
  'or set COGMESH_TEST_DATABASE_URL to a server on which databases may be created';

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
}

/** The newest version of the system, or the one in the search path; throws `failed_precondition` saying what to install. */
export function findPostgres(searchPath: string): PostgresBinaries {
  for (const folder of [...debianFolders(), ...searchPath.split(delimiter)]) {
    const found = { initdb: join(folder, 'initdb'), postgres: join(folder, 'postgres') };
    if (isExecutable(found.initdb) && isExecutable(found.postgres)) return found;
  }
  throw new CogmeshError('failed_precondition', howToGetIt);
}

/** PostgreSQL refuses to run as root: then it runs as the user its package made. Undefined: as ourselves. */
export function serverUser(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  try {
    const number = (flag: string) =>
      Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8', stdio: 'pipe' }));
    return { uid: number('-u'), gid: number('-g') };
  } catch {
    throw new CogmeshError(
      'failed_precondition',
      'as root, PostgreSQL needs the system user "postgres" to run as: there is none',
    );
  }
}

function debianFolders(): string[] {
  try {
    const versions = readdirSync(debianRoot).toSorted((a, b) => Number(b) - Number(a));
    return versions.map((version) => join(debianRoot, version, 'bin'));
  } catch {
    return [];
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
