import { expect, it } from 'vitest';
import { serviceMayCall } from './service-access.js';

const policy = '/cogmesh.policy.v1.PolicyService';

it.each([
  ['scheduler', `${policy}/DecideMany`, true],
  ['scheduler', `${policy}/Decide`, false],
  ['scheduler', `${policy}/Explain`, false],
  ['scheduler', `${policy}/PutPolicies`, false],
  ['worker', `${policy}/DecideMany`, false],
  ['worker', `${policy}/GetBundle`, true],
  ['gateway', `${policy}/DecideMany`, true],
  ['gateway', '/cogmesh.policy.v1.SearchService/Search', true],
  ['registry', '/cogmesh.policy.v1.SearchService/Search', false],
  ['gateway', '/cogmesh.scheduler.v1.SchedulerService/PutSchedule', false],
  ['scheduler', '/cogmesh.scheduler.v1.SchedulerService/TriggerSchedule', false],
  ['policy', '/cogmesh.registry.v1.RegistryService/ListAgents', true],
  ['policy', '/cogmesh.registry.v1.RegistryService/Instruct', false],
  ['registry', '__proto__', false],
])('%s calling %s with its identity alone: %s', (service, method, allowed) => {
  expect(serviceMayCall(service, method)).toBe(allowed);
});
