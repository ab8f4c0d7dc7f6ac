export interface BackendState {
  readonly name: string;
  readonly package: string;
  readonly variable: string;
  readonly state: 'environment' | 'present' | 'missing';
}

export interface ProvisionOptions {
  readonly yes?: boolean;
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly output?: NodeJS.WritableStream;
  readonly input?: { readonly isTTY?: boolean };
  /** Where packages put the servers, besides PATH. */
  readonly places?: { readonly rabbit: readonly string[]; readonly postgres: string };
}

export function ensureBackends(options?: ProvisionOptions): Promise<BackendState[]>;
export function findRabbitServer(environment?: Readonly<Record<string, string | undefined>>): string | undefined;
export function findPostgresBin(environment?: Readonly<Record<string, string | undefined>>): string | undefined;
export const installScript: string;
