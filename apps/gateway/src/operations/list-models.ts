/**
 * The models that agents serve now and the caller may use. The registry knows what is served, policy who may infer it;
 * a model without the right is left out, so the list says nothing about other organisations' models. What the registry said
 * a moment ago is remembered for everybody; rights are judged for each caller.
 */
import { registryV1, type gatewayV1 } from '@cogmesh/contracts';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Operation } from './operation.js';
import { inside } from './permitted-calls.js';
import type { OperationPorts } from './ports.js';
import { right } from './right.js';

export type ModelView = Required<Omit<MessageInitShape<typeof gatewayV1.ModelSchema>, '$typeName' | '$unknown'>>;

const servedName = /^model:(?<name>[^/@\s]+\/[^/@\s]+)@(?<version>[^@\s]+)$/;
const alive = new Set([registryV1.AgentState.STARTING, registryV1.AgentState.READY, registryV1.AgentState.DRAINING]);

type Ports = Pick<OperationPorts, 'decisions' | 'registry'>;

export function listModels({ decisions, registry }: Ports): Operation<Record<string, never>, readonly ModelView[]> {
  const served = recent(async () => {
    const { agents } = await inside('registry', () => registry.listAgents({}, { deadlineMs: registryDeadlineMs }));
    return servedModels(agents);
  });
  return async ({ subject, signal }) => {
    const models = await served();
    const names = [...new Set(models.map(({ name }) => name))];
    const answers = await decisions.look(
      subject,
      names.map((name) => right('infer', `/models/${name}`)),
      signal,
    );
    const allowed = new Set(names.filter((_, i) => answers[i]?.allowed === true));
    return models.filter(({ name }) => allowed.has(name));
  };
}

/** How long what was asked answers everybody, milliseconds; an agent says no more often than that what it serves. */
const keptMs = 250;
const registryDeadlineMs = 5_000;

/** A failure answers those who wait for it, and nobody after them. */
function recent<Answer>(ask: () => Promise<Answer>): () => Promise<Answer> {
  let kept: { readonly atMs: number; readonly answer: Promise<Answer> } | undefined;
  return () => {
    const atMs = performance.now();
    if (kept !== undefined && atMs - kept.atMs < keptMs) return kept.answer;
    const asked = { atMs, answer: ask() };
    kept = asked;
    asked.answer.catch(() => {
      if (kept === asked) kept = undefined;
    });
    return asked.answer;
  };
}

/** Every model version of every agent that is alive, by name and version. */
export function servedModels(agents: readonly registryV1.Agent[]): ModelView[] {
  const models = new Map<string, ModelView>();
  for (const { capabilities } of agents.filter(({ state }) => alive.has(state))) {
    for (const capability of capabilities) {
      const served = servedBy(capability);
      if (served !== undefined) models.set(capability.name, joined(models.get(capability.name), served));
    }
  }
  return [...models.values()].toSorted((a, b) => (`${a.name}@${a.version}` < `${b.name}@${b.version}` ? -1 : 1));
}

/** Undefined for what is not a model. */
function servedBy(served: registryV1.Capability): ModelView | undefined {
  const { name: capability, ready, metadataJson, inputSchemaJson } = served;
  const { name, version } = servedName.exec(capability)?.groups ?? {};
  if (name === undefined || version === undefined) return undefined;
  return { name, version, ready, agents: 1, metadataJson, inputSchemaJson };
}

function joined(known: ModelView | undefined, served: ModelView): ModelView {
  if (known === undefined) return served;
  return {
    ...served,
    ready: known.ready || served.ready,
    agents: known.agents + served.agents,
    metadataJson: known.metadataJson || served.metadataJson,
    inputSchemaJson: known.inputSchemaJson || served.inputSchemaJson,
  };
}
