/** What every command needs: where to print, which gateway to call, and as whom. */
import { existsSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import type { Environment } from '@cogmesh/config';
import { mintDevelopmentToken } from '@cogmesh/identity';
import { type DataDirectory, dataDirectory, isInitialised } from '@cogmesh/mesh';
import { CogmeshClient, CogmeshError } from '@cogmesh/sdk';

/** Options every command understands. */
export interface GlobalOptions {
  readonly url?: string;
  readonly token?: string;
  readonly dataDir?: string;
  readonly json?: boolean;
}

export interface CliContext {
  readonly environment: Environment;
  readonly json: boolean;
  readonly directory: DataDirectory;
  /** Prints for a person; silent with --json. */
  say(text?: string): void;
  /** Prints the one JSON object of --json; otherwise does nothing. */
  emit(value: unknown): void;
  client(): CogmeshClient;
}

const DEFAULT_URL = 'http://127.0.0.1:7000';
/** A development token made for one command lives this long, seconds; long watches mint another. */
const TOKEN_TTL_SECONDS = 600;

export function createContext(options: GlobalOptions, environment: Environment): CliContext {
  const json = options.json === true;
  const directory = dataDirectory(options.dataDir ?? environment['COGMESH_DATA_DIR'] ?? '.cogmesh');
  return {
    environment,
    json,
    directory,
    say: (text = '') => {
      if (!json) console.log(text);
    },
    emit: (value) => {
      if (json) console.log(JSON.stringify(value, null, 2));
    },
    client: () =>
      new CogmeshClient({
        baseUrl: baseUrl(options, environment, directory),
        getToken: tokenSource(options, environment, directory),
      }),
  };
}

/** `up` and `cluster` leave their addresses here for commands that run beside them. */
export const endpointFile = (directory: DataDirectory) => join(directory.path, 'endpoint.json');

function baseUrl(options: GlobalOptions, environment: Environment, directory: DataDirectory): string {
  const explicit = options.url ?? environment['COGMESH_URL'];
  if (explicit) return explicit;
  const file = endpointFile(directory);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { url: string }).url : DEFAULT_URL;
}

function tokenSource(
  options: GlobalOptions,
  environment: Environment,
  directory: DataDirectory,
): () => Promise<string> {
  const explicit = options.token ?? environment['COGMESH_TOKEN'];
  if (explicit) return () => Promise.resolve(explicit);
  if (!isInitialised(directory)) {
    throw new CogmeshError(
      'unauthenticated',
      `no token: pass --token or COGMESH_TOKEN, or run beside a data directory made by "cogmesh init" (${directory.path} is not one)`,
    );
  }
  let minted: { token: string; until: number } | undefined;
  return async () => {
    if (minted && Date.now() < minted.until) return minted.token;
    const sub = userInfo().username;
    const token = await mintDevelopmentToken(directory.keysDir, {
      sub,
      roles: ['admin'],
      ttlSeconds: TOKEN_TTL_SECONDS,
    });
    minted = { token, until: Date.now() + (TOKEN_TTL_SECONDS / 2) * 1000 };
    return token;
  };
}
