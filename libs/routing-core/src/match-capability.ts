/**
 * Which agents can serve a `uses`. Tools and `script` match by name; models by name and semantic version range, the
 * highest matching version of each agent. A model named without organisation is the caller's own.
 */
import { compare, satisfies, valid } from 'semver';
import type { Candidate, OfferedCapability, RoutableAgent } from './agent.js';

interface Wanted {
  /** `model:acme/ppocr-detect` without version, or the whole name. */
  readonly name: string;
  /** Only for models. */
  readonly range?: string;
}

/** Splits `uses`; `organisation` completes a model named without one. */
export function wantedBy(uses: string, organisation: string): Wanted {
  if (!uses.startsWith('model:')) return { name: uses };
  const at = uses.indexOf('@');
  const path = at === -1 ? uses.slice(6) : uses.slice(6, at);
  const name = path.includes('/') ? `model:${path}` : `model:${organisation}/${path}`;
  return { name, range: at === -1 ? '*' : uses.slice(at + 1) };
}

/** Splits an announced capability into name and exact version. */
export function splitCapability(capability: string): { readonly name: string; readonly version?: string } {
  const at = capability.startsWith('model:') ? capability.indexOf('@') : -1;
  return at === -1 ? { name: capability } : { name: capability.slice(0, at), version: capability.slice(at + 1) };
}

/** Ready agents that serve `uses`, each with its best capability; in no order. Readiness of the model is not asked. */
export function matchCapability(uses: string, organisation: string, agents: Iterable<RoutableAgent>): Candidate[] {
  const wanted = wantedBy(uses, organisation);
  const candidates: Candidate[] = [];
  for (const agent of agents) {
    if (agent.state !== 'READY') continue;
    const capability = bestOf(agent.capabilities, wanted);
    if (capability) candidates.push({ agent, capability });
  }
  return candidates;
}

function bestOf(capabilities: readonly OfferedCapability[], wanted: Wanted): OfferedCapability | undefined {
  const matching = capabilities.filter((capability) => matches(capability.name, wanted));
  return matching.reduce<OfferedCapability | undefined>(
    (best, next) => (best && !isNewer(next, best) ? best : next),
    undefined,
  );
}

function matches(capability: string, wanted: Wanted): boolean {
  const { name, version } = splitCapability(capability);
  if (name !== wanted.name) return false;
  if (wanted.range === undefined) return true;
  return version !== undefined && valid(version) !== null && satisfies(version, wanted.range);
}

/** A loaded version goes before one that must load first; then the higher version. */
function isNewer(a: OfferedCapability, b: OfferedCapability): boolean {
  if (a.ready !== b.ready) return a.ready;
  const [left, right] = [splitCapability(a.name).version, splitCapability(b.name).version];
  return left !== undefined && right !== undefined && compare(left, right) > 0;
}

/** What agents that are there, or about to be, offer of the highest version that `uses` names; one entry of each agent. */
export function newestOffers(
  uses: string,
  organisation: string,
  agents: Iterable<RoutableAgent>,
): readonly OfferedCapability[] {
  const wanted = wantedBy(uses, organisation);
  let newest: OfferedCapability[] = [];
  for (const { state, capabilities } of agents) {
    if (state !== 'READY' && state !== 'STARTING') continue;
    for (const capability of capabilities) {
      if (!matches(capability.name, wanted)) continue;
      const order = compareVersions(capability, newest[0]);
      if (order > 0) newest = [];
      if (order >= 0) newest.push(capability);
    }
  }
  return newest;
}

/** Anything is higher than nothing. */
function compareVersions(a: OfferedCapability, b: OfferedCapability | undefined): number {
  const [left, right] = [splitCapability(a.name).version, b && splitCapability(b.name).version];
  if (b === undefined) return 1;
  return left === undefined || right === undefined ? 0 : compare(left, right);
}

/** Exact capabilities that share the wanted name, for "what exists" in messages. */
export function offeredVersions(uses: string, organisation: string, agents: Iterable<RoutableAgent>): string[] {
  const wanted = wantedBy(uses, organisation);
  const names = new Set<string>();
  for (const agent of agents) {
    if (agent.state === 'LOST' || agent.state === 'GONE') continue;
    for (const { name } of agent.capabilities) if (splitCapability(name).name === wanted.name) names.add(name);
  }
  return [...names].sort();
}
