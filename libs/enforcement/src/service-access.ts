/**
 * What a service may call with its own identity alone. Static on purpose: these calls are how policies arrive and how the platform talks to
 * itself, so they cannot wait for a policy. Everything that is not here needs a permit of the gateway.
 */

const anyService = 'any';

const table: Readonly<Record<string, typeof anyService | readonly string[]>> = {
  '/cogmesh.policy.v1.PolicyService/GetBundle': anyService,
  '/cogmesh.policy.v1.PolicyService/GetIssuers': anyService,
  '/cogmesh.policy.v1.AuditService/Append': ['gateway', 'sidecar', 'scheduler', 'registry', 'worker'],
  '/cogmesh.policy.v1.PolicyService/Decide': ['gateway', 'registry'],
  '/cogmesh.policy.v1.PolicyService/DecideMany': ['gateway', 'registry', 'scheduler'],
  '/cogmesh.policy.v1.PolicyService/Explain': ['gateway', 'registry'],
  '/cogmesh.policy.v1.SearchService/Search': ['gateway'],
  '/cogmesh.scheduler.v1.SchedulerService/RenewLeases': ['registry'],
  '/cogmesh.registry.v1.RegistryService/ListAgents': ['scheduler', 'gateway', 'policy'],
  '/cogmesh.registry.v1.RegistryService/GetAgent': ['scheduler', 'gateway'],
  '/cogmesh.registry.v1.RegistryService/GetInputSchemas': ['scheduler'],
  '/cogmesh.registry.v1.RegistryService/Instruct': ['scheduler'],
  '/cogmesh.gateway.v1.BlobService/Fetch': ['worker', 'scheduler', 'registry'],
  '/cogmesh.gateway.v1.BlobService/Store': ['worker', 'scheduler', 'registry'],
};

/** Whether `service`, proven by its token, may call the method (full name) without a permit. */
export function serviceMayCall(service: string, method: string): boolean {
  const allowed = Object.hasOwn(table, method) ? table[method] : undefined;
  return allowed === anyService || (allowed?.includes(service) ?? false);
}
