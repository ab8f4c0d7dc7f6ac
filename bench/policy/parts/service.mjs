/** The service three times over: unchecked, checked in process, and behind a sidecar. */
import { schedulerV1 } from '@cogmesh/contracts';
import { createBehindSidecar, createEnforcer, localPolicySource, readSidecarSecret } from '@cogmesh/enforcement';
import { loadServiceIdentity } from '@cogmesh/identity';
import { DecisionEngine, parsePolicySet } from '@cogmesh/policy-core';
import { implement, serveRpc } from '@cogmesh/rpc';
import { options, ready } from './child.mjs';

const { keysDir, secretFile, policies } = options();
const { verifier } = await loadServiceIdentity(keysDir, 'scheduler');
const engine = new DecisionEngine();
engine.replace({ organisation: 'acme', epoch: 1, document: parsePolicySet(policies), grants: [] });
const secret = readSidecarSecret({ file: secretFile, descriptor: -1 });

const others = Object.fromEntries(schedulerV1.SchedulerService.methods.map(({ localName }) => [localName, () => {}]));
const binding = implement(schedulerV1.SchedulerService, {
  ...others,
  getRun: async ({ runId }) => ({ run: { id: runId } }),
});
const serve = async (authenticate) =>
  (await serveRpc({ address: '127.0.0.1:0', services: [binding], authenticate })).address;

ready({
  direct: await serve(() => ({ kind: 'anonymous' })),
  inProcess: await serve(
    createEnforcer({
      service: 'scheduler',
      verifier,
      source: localPolicySource(engine),
      decisionCacheEntries: 10_000,
    }),
  ),
  behind: await serve(createBehindSidecar({ service: 'scheduler', secret, verifier })),
});
