/**
 * Agents as the registry has them. Of an agent that is another organisation's than the resource's owner nothing is told: its
 * state is not for others to test by policies of their own.
 */
import { registryV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import type { InformationNeed } from '@cogmesh/policy-core';
import type { Client } from '@cogmesh/rpc';
import type { Attributes, PolicyInformation, Told } from './information.js';
import { RememberedAnswers } from './remembered-answers.js';

/** ListAgentsRequest's own limit. */
const agentsPerCall = 1_000;

export interface RegistryInformationOptions {
  readonly registry: Pick<Client<typeof registryV1.RegistryService>, 'listAgents'>;
  /** How long an answer counts, and how long one may take, milliseconds. */
  readonly ttlMs: number;
  readonly timeoutMs: number;
  readonly entriesMax: number;
  readonly callsMax: number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export class RegistryInformation implements PolicyInformation {
  readonly #options: RegistryInformationOptions;
  readonly #agents: RememberedAnswers<registryV1.Agent | undefined>;

  constructor(options: RegistryInformationOptions) {
    this.#options = options;
    this.#agents = new RememberedAnswers(options);
  }

  async attributesOf(needs: readonly InformationNeed[]): Promise<readonly Told[]> {
    const keys = needs.map(({ resource }) => resource.id);
    try {
      const { ttlMs } = this.#options;
      const answers = await this.#agents.answers({ keys, ttlMs, ask: (ids) => this.#ask(ids) });
      return needs.map((need, i) => toldOf(need, answers[i]?.value, answers[i]?.untilMs ?? 0));
    } catch (thrown) {
      const why = thrown instanceof CogmeshError ? thrown.message : String(thrown);
      const problem = `the registry did not say in ${String(this.#options.timeoutMs)} ms: ${why}`;
      return needs.map(() => ({ attributes: {}, untilMs: this.#options.now(), problem }));
    }
  }

  async #ask(agentIds: readonly string[]): Promise<readonly (registryV1.Agent | undefined)[]> {
    const { registry, timeoutMs: deadlineMs } = this.#options;
    const pages: (readonly string[])[] = [];
    for (let at = 0; at < agentIds.length; at += agentsPerCall) pages.push(agentIds.slice(at, at + agentsPerCall));
    const answers = await Promise.all(
      pages.map((ids) =>
        registry.listAgents({ agentIds: [...ids], includeGone: true, withoutSchemas: true }, { deadlineMs }),
      ),
    );
    const known = new Map(answers.flatMap(({ agents }) => agents).map((agent) => [agent.id, agent]));
    return agentIds.map((id) => known.get(id));
  }
}

function toldOf(
  { owner, resource, ofRegistry }: InformationNeed,
  agent: registryV1.Agent | undefined,
  untilMs: number,
) {
  if (agent?.organisation !== owner) {
    const problem = `the registry knows no agent "${resource.id.slice(0, 100)}" of ${owner}`;
    return { attributes: {}, untilMs, problem };
  }
  const all = attributesOfAgent(agent);
  const attributes = Object.fromEntries(ofRegistry.flatMap((name) => (name in all ? [[name, all[name]]] : [])));
  const missing = ofRegistry.filter((name) => !(name in all));
  if (missing.length === 0) return { attributes, untilMs };
  return { attributes, untilMs, problem: `the agent has not told "${missing.join('", "')}" yet` };
}

/** `load` is work it holds over work it takes at once; unknown, as its parts, until its first portrait. */
function attributesOfAgent({ state, kind, name, labels, capabilities, portrait }: registryV1.Agent): Attributes {
  const credits = capabilities.reduce((sum, capability) => sum + capability.credits, 0);
  return {
    state: registryV1.AgentState[state],
    kind: registryV1.AgentKind[kind],
    name,
    labels,
    capabilities: capabilities.filter(({ ready }) => ready).map((capability) => capability.name),
    ...(portrait === undefined ? {} : loadOf(portrait, credits)),
  };
}

function loadOf({ running, queued }: registryV1.Portrait, credits: number): Attributes {
  return { running, queued, ...(credits === 0 ? {} : { load: (running + queued) / credits }) };
}
