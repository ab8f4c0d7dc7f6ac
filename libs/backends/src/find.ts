/** Where this machine keeps RabbitMQ and PostgreSQL. Looks only; `tools/provision` installs. */
import { CogmeshError } from '@cogmesh/errors';
import { existsSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Debian's own script comes first: the wrapper on PATH switches user. */
const rabbitScripts = ['/usr/lib/rabbitmq/bin/rabbitmq-server', '/opt/homebrew/sbin/rabbitmq-server'];
const debianPostgres = '/usr/lib/postgresql';

export interface RabbitBinaries {
  /** The server's start script. */
  readonly server: string;
  /** Erlang's port mapper daemon. */
  readonly epmd: string;
}

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  readonly psql: string;
}

/** The folders of a PATH. */
const foldersOf = (path: string): string[] => path.split(delimiter).filter((folder) => folder !== '');

/** RabbitMQ on this machine, or undefined. `path` is the environment's PATH. */
export function findRabbit(path: string): RabbitBinaries | undefined {
  const server = [...rabbitScripts, ...foldersOf(path).map((folder) => join(folder, 'rabbitmq-server'))].find((file) =>
    existsSync(file),
  );
  const epmd = [...foldersOf(path), '/usr/bin', '/opt/homebrew/bin']
    .map((folder) => join(folder, 'epmd'))
    .find((file) => existsSync(file));
  return server === undefined || epmd === undefined ? undefined : { server, epmd };
}

/** PostgreSQL's server programs on this machine, newest version first, or undefined. */
export function findPostgres(path: string): PostgresBinaries | undefined {
  const versions = existsSync(debianPostgres) ? readdirSync(debianPostgres) : [];
  const newestFirst = versions
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(debianPostgres, version, 'bin'));
  const complete = (folder: string) =>
    ['initdb', 'postgres', 'psql'].every((program) => existsSync(join(folder, program)));
  const folder = [...newestFirst, ...foldersOf(path)].find(complete);
  if (folder === undefined) return undefined;
  return { initdb: join(folder, 'initdb'), postgres: join(folder, 'postgres'), psql: join(folder, 'psql') };
}

/** What to say when one of them is missing (`unavailable`). */
export function notInstalled(name: 'RabbitMQ' | 'PostgreSQL', debianPackage: string, variable: string): CogmeshError {
  const remedy = `Install it ("./cogmesh test --yes" does, or: apt-get install ${debianPackage})`;
  return new CogmeshError('unavailable', `${name} is not installed on this machine. ${remedy}, or set ${variable}.`, {
    variable,
  });
}
