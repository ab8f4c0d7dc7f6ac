import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CogmeshError } from '@cogmesh/errors';
import { initialiseKeys, loadServiceIdentity, type ServiceIdentity } from '@cogmesh/identity';
import { createLogger } from '@cogmesh/telemetry';
import type { BundleAnswer, BundleQuestion } from '../src/index.js';

export const silent = createLogger({ level: 'silent' });

export interface World {
  readonly dir: string;
  readonly keysDir: string;
  readonly identities: Readonly<
    Record<'gateway' | 'scheduler' | 'policy' | 'registry' | 'worker' | 'sidecar', ServiceIdentity>
  >;
  remove(): Promise<void>;
}

/** A data directory with keys of every service. */
export async function makeWorld(): Promise<World> {
  const dir = await mkdtemp(join(tmpdir(), 'cogmesh-enforcement-'));
  const keysDir = join(dir, 'keys');
  await initialiseKeys(keysDir, { hostOrganisation: 'acme' });
  const names = ['gateway', 'scheduler', 'policy', 'registry', 'worker', 'sidecar'] as const;
  const entries = await Promise.all(
    names.map(async (name) => [name, await loadServiceIdentity(keysDir, name)] as const),
  );
  return {
    dir,
    keysDir,
    identities: Object.fromEntries(entries) as World['identities'],
    remove: () => rm(dir, { recursive: true, force: true }),
  };
}

/** What a policy service holds and signs, without its transport: what the contract says, nothing more. */
export class PublishedPolicies {
  readonly #policy: ServiceIdentity;
  readonly #sets = new Map<string, { epoch: number; policies: unknown }>();

  constructor(policy: ServiceIdentity) {
    this.#policy = policy;
  }

  put(organisation: string, policies: unknown, epoch = (this.#sets.get(organisation)?.epoch ?? 0) + 1): void {
    this.#sets.set(organisation, { epoch, policies });
  }

  remove(organisation: string): void {
    this.#sets.delete(organisation);
  }

  readonly answer = async ({ knownEpochs, nonce }: BundleQuestion): Promise<BundleAnswer> => {
    const epochs = Object.fromEntries([...this.#sets].map(([organisation, { epoch }]) => [organisation, epoch]));
    const newer = [...this.#sets].filter(
      ([organisation, { epoch }]) => epoch > Number(knownEpochs[organisation] ?? 0n),
    );
    const bundlesJws = await Promise.all(
      newer.map(([organisation, { epoch, policies }]) => this.#policy.signBundle({ organisation, epoch, policies })),
    );
    return { bundlesJws, heartbeatJws: await this.#policy.signHeartbeat({ nonce, epochs }) };
  };
}

export const allowAll = {
  policies: [{ permissions: ['*'], resources: ['/**'], effect: 'allow' }],
};

/** Code of what `act` throws; `accepted` when it throws nothing. */
export async function codeOf(act: () => unknown): Promise<string> {
  try {
    await act();
  } catch (error) {
    if (error instanceof CogmeshError) return error.code;
    throw error;
  }
  return 'accepted';
}
