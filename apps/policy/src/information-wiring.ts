/** Who is asked about resources, built: the registry, and the sources that organisations name in their sets. */
import { registryV1 } from '@cogmesh/contracts';
import { authorisation } from '@cogmesh/enforcement';
import type { ServiceIdentity } from '@cogmesh/identity';
import type { DecisionEngine } from '@cogmesh/policy-core';
import { createClient, openChannel } from '@cogmesh/rpc';
import type { ServiceHost } from '@cogmesh/service';
import type { PolicyConfig } from './config.js';
import { HttpInformation } from './information/http-information.js';
import { Informer } from './information/informer.js';
import { RegistryInformation } from './information/registry-information.js';
import { informationCallsMax, informationEntriesMax } from './limits.js';

interface InformationHost {
  readonly host: Pick<ServiceHost, 'peers' | 'security'>;
  readonly config: PolicyConfig;
  readonly engine: DecisionEngine;
  readonly identity: ServiceIdentity;
}

export function wireInformation({ host, config, engine, identity }: InformationHost): {
  readonly informer: Informer;
  readonly close: () => void;
} {
  const channel = openChannel({
    target: host.peers.registry,
    authorize: authorisation(identity, 'registry'),
    secure: { security: host.security, service: 'registry' },
  });
  const bounds = {
    ttlMs: config.informationTtlMs,
    timeoutMs: config.informationTimeoutMs,
    entriesMax: informationEntriesMax,
    callsMax: informationCallsMax,
    now: Date.now,
  };
  const registry = createClient(registryV1.RegistryService, channel);
  const sources = new HttpInformation({
    ...bounds,
    sign: (question) => identity.signInformationQuestion(question),
    allowPrivate: config.informationPrivateAddresses,
    bodyMaxBytes: config.informationBodyBytes,
  });
  return {
    informer: new Informer({ engine, registry: new RegistryInformation({ ...bounds, registry }), sources }),
    close: () => channel.close(),
  };
}
