/** Real services in this process, on sockets in one folder, where `keys/` is and what the policy service begins with, `bootstrap/`. */
import { join } from 'node:path';
import { createMemoryHub } from '@cogmesh/bus';
import { hostService, type HostedService } from '@cogmesh/service';
import { createLogger } from '@cogmesh/telemetry';

const names = ['policy', 'scheduler', 'registry', 'gateway'] as const;

/** What `hostService` takes, whatever the service's own settings are. */
type Definition = Parameters<typeof hostService>[0];

export interface HostedServices {
  /** Of the gateway; empty without one. */
  readonly url: string;
  /** gRPC address of the registry. */
  readonly registry: string;
  stop(): Promise<void>;
}

/** Starts them in the order given. `settings` are added to what every service gets. */
export async function hostServices(
  dir: string,
  definitions: readonly { readonly name: string }[],
  settings: Readonly<Record<string, string>> = {},
): Promise<HostedServices> {
  const socket = (name: string) => `unix:${join(dir, `${name}.sock`)}`;
  const environment = {
    COGMESH_DATA_DIR: join(dir, 'data'),
    COGMESH_KEYS_DIR: join(dir, 'keys'),
    COGMESH_POLICY_BOOTSTRAP_DIR: join(dir, 'bootstrap'),
    COGMESH_HTTP_LISTEN: '127.0.0.1:0',
    COGMESH_DEV: '1',
    ...Object.fromEntries(names.map((name) => [`COGMESH_${name.toUpperCase()}_ADDRESS`, socket(name)])),
    ...settings,
  };
  const hub = createMemoryHub();
  const logger = createLogger({ level: 'silent' });
  const hosted: HostedService[] = [];
  for (const definition of definitions) {
    const own = { ...environment, COGMESH_LISTEN: socket(definition.name) };
    hosted.push(await hostService(definition as Definition, { hub, logger, environment: own }));
  }
  const gateway = definitions.findIndex(({ name }) => name === 'gateway');
  return {
    url: hosted[gateway]?.running.addresses['http'] ?? '',
    registry: socket('registry'),
    stop: async () => {
      for (const service of hosted.toReversed()) await service.stop();
    },
  };
}
