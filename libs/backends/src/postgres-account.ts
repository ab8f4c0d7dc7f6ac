/** PostgreSQL refuses to run as root. Then it runs as the user that its package made, on a folder which that user can reach. */
import { CogmeshError } from '@cogmesh/errors';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

export interface Account {
  readonly uid: number;
  readonly gid: number;
}

const othersMayPass = 0o001;

/** The account to run as; undefined when we are not root and run it as ourselves. */
export function postgresAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const number = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8', stdio: 'pipe' }));
  try {
    return { uid: number('-u'), gid: number('-g') };
  } catch (cause) {
    const sentence = 'as root, PostgreSQL needs the system user "postgres" to run as: there is none';
    throw new CogmeshError('unavailable', sentence, {}, { cause });
  }
}

/** `dir`, or when the account cannot pass its parents (a root user's home) a folder of the same identity in /var/tmp. */
export function reachableFolder(dir: string, account: Account | undefined): string {
  const wanted = resolve(dir);
  if (account === undefined || canPass(dirname(wanted), account)) return wanted;
  return `/var/tmp/cogmesh-postgres-${createHash('sha256').update(wanted).digest('hex').slice(0, 16)}`;
}

function canPass(folder: string, account: Account): boolean {
  const status = statSync(folder, { throwIfNoEntry: false });
  const passable = status === undefined || status.uid === account.uid || (status.mode & othersMayPass) !== 0;
  return passable && (dirname(folder) === folder || canPass(dirname(folder), account));
}
