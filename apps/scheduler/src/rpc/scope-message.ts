/** Scopes of the contract as stored ones and back, with every bound checked. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { schedulerV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import {
  capabilityName,
  isUsesProblem,
  maxShards,
  parseUses,
  type LimitedKind,
  type ScopeLimits,
  type ScopeName,
  type StoredScope,
} from '@cogmesh/scheduling-core';
import type { ScopeUsage } from '../engine/explain-waiting.js';

const { Scope_Kind } = schedulerV1;

const kinds: Readonly<Record<LimitedKind, schedulerV1.Scope_Kind>> = {
  organisation: Scope_Kind.ORGANISATION,
  capability: Scope_Kind.CAPABILITY,
  group: Scope_Kind.GROUP,
};

export const noLimits: Required<ScopeLimits> = {
  maxInFlight: 0, ratePerSecond: 0, burst: 0, maxQueued: 0, weight: 0, serviceClass: 0, parts: 0,
}; // prettier-ignore

/** Largest value of each. */
const bounds: Readonly<Record<keyof ScopeLimits, number>> = {
  maxInFlight: 1_000_000,
  ratePerSecond: 1_000_000,
  burst: 1_000_000,
  maxQueued: 1_000_000_000,
  weight: 1_000,
  serviceClass: 9,
  parts: maxShards,
};

/** Only an organisation has these. */
const ofOrganisations = ['maxQueued', 'weight', 'serviceClass', 'parts'] as const;

const namePattern = /^[a-z0-9][a-z0-9._-]{0,127}$/;
const capabilityKinds = new Set(['model', 'tool', 'script']);

const invalid = (message: string): CogmeshError => new CogmeshError('invalid_argument', message);

export function scopeOf(scope: schedulerV1.Scope | undefined, callersOrganisation: string): StoredScope {
  if (!scope) throw invalid('"scope" is required');
  const name = nameOf(scope, callersOrganisation);
  const limits = limitsOf(scope.limits, name.kind);
  return { ...name, limits, paused: scope.paused };
}

function nameOf({ kind, name, organisation }: schedulerV1.Scope, callers: string): ScopeName {
  switch (kind) {
    case Scope_Kind.ORGANISATION: {
      const named = name === '' ? callers : name;
      if (!namePattern.test(named)) throw invalid(`"${named}" is not the name of an organisation`);
      if (organisation !== '' && organisation !== named) throw invalid('an organisation is in no other organisation');
      return { kind: 'organisation', organisation: named, name: named };
    }
    case Scope_Kind.CAPABILITY:
      return { kind: 'capability', organisation: '', name: capabilityOf(name) };
    case Scope_Kind.GROUP: {
      const owner = organisation === '' ? callers : organisation;
      if (!namePattern.test(name))
        throw invalid(`"${name}" is not the name of a group; it matches ${namePattern.source}`);
      if (!namePattern.test(owner)) throw invalid(`"${owner}" is not the name of an organisation`);
      return { kind: 'group', organisation: owner, name };
    }
    default:
      throw invalid('"kind" is one of organisation, capability, group');
  }
}

function capabilityOf(name: string): string {
  const uses = parseUses(name, '');
  if (isUsesProblem(uses)) throw invalid(uses.message);
  if (!capabilityKinds.has(uses.kind)) throw invalid(`"${name}" is no work of agents`);
  if (uses.kind === 'model' && uses.organisation === '') throw invalid(`"${name}" needs its organisation`);
  if (capabilityName(name) !== name) throw invalid('limits of a capability hold for every version; name none');
  return name;
}

function limitsOf(message: schedulerV1.Limits | undefined, kind: LimitedKind): Required<ScopeLimits> {
  if (!message) return noLimits;
  const { maxInFlight, ratePerSecond, burst, weight, serviceClass, parts } = message;
  const maxQueued = Number(message.maxQueued);
  const limits = { maxInFlight, ratePerSecond, burst, maxQueued, weight, serviceClass, parts };
  for (const [field, most] of Object.entries(bounds) as [keyof ScopeLimits, number][]) {
    const value = limits[field];
    if (!(value >= 0 && value <= most)) throw invalid(`"${field}" is a number from 0 to ${most}`);
  }
  const misplaced = ofOrganisations.find((field) => limits[field] !== 0);
  if (kind !== 'organisation' && misplaced !== undefined) throw invalid(`only an organisation has "${misplaced}"`);
  if (burst > 0 && ratePerSecond === 0) throw invalid('"burst" needs "ratePerSecond"');
  return limits;
}

export function scopeMessage(
  { kind, name, organisation, limits, paused }: StoredScope,
  { inFlight, queued }: ScopeUsage,
): MessageInitShape<typeof schedulerV1.ScopeSchema> {
  return {
    kind: kinds[kind],
    name,
    organisation,
    paused,
    limits: { ...limits, maxQueued: BigInt(limits.maxQueued) },
    usage: { inFlight: BigInt(inFlight), queued: BigInt(queued) },
  };
}
