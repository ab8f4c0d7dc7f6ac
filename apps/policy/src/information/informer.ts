/**
 * Puts what has to be asked in front of a decision. Nobody is asked unless a candidate rule reads it, and all requests of one
 * call are asked about together. What is missing stays missing, whatever the caller sent under its name; a refusal that it
 * may have caused says so.
 */
import type { AccessRequest, Decision, DecisionEngine, InformationNeed } from '@cogmesh/policy-core';
import type { Attributes, PolicyInformation, Told } from './information.js';

export interface Informed {
  readonly access: AccessRequest;
  /** Attributes that came; empty when nobody was asked. */
  readonly attributes: Attributes;
  /** Milliseconds since 1970 until which they count; absent when nobody was asked. */
  readonly untilMs?: number;
  /** What could not be had. */
  readonly problems: readonly string[];
}

export interface InformerParts {
  readonly engine: Pick<DecisionEngine, 'informationFor'>;
  readonly registry: PolicyInformation;
  readonly sources: PolicyInformation;
}

/** DecideResponse.informed_json. */
const informedMaxChars = 8 * 1024;

export class Informer {
  readonly #parts: InformerParts;

  constructor(parts: InformerParts) {
    this.#parts = parts;
  }

  /** One per request, in order. */
  async inform<Requests extends readonly AccessRequest[]>(
    requests: Requests,
  ): Promise<{ [Index in keyof Requests]: Informed }>;
  async inform(requests: readonly AccessRequest[]): Promise<readonly Informed[]> {
    const needs = requests.map((request) => this.#parts.engine.informationFor(request));
    if (needs.every((need) => need === undefined)) return requests.map(uninformed);
    const told = await this.#ask(needs.filter((need) => need !== undefined));
    return requests.map((request, i) => {
      const need = needs[i];
      return need === undefined ? uninformed(request) : informed(request, need, told.get(need) ?? []);
    });
  }

  async #ask(needs: readonly InformationNeed[]): Promise<ReadonlyMap<InformationNeed, readonly Told[]>> {
    const { registry, sources } = this.#parts;
    const ofOwner = Map.groupBy(
      needs.filter(({ ofSource }) => ofSource.length > 0),
      ({ owner }) => owner,
    );
    const asked = [
      { port: registry, about: needs.filter(({ ofRegistry }) => ofRegistry.length > 0) },
      ...[...ofOwner.values()].map((about) => ({ port: sources, about })),
    ].filter(({ about }) => about.length > 0);
    const told = new Map<InformationNeed, Told[]>();
    await Promise.all(
      asked.map(async ({ port, about }) => {
        const answers = await port.attributesOf(about);
        about.forEach((need, i) => told.set(need, [...(told.get(need) ?? []), ...answers.slice(i, i + 1)]));
      }),
    );
    return told;
  }
}

const uninformed = (access: AccessRequest): Informed => ({ access, attributes: {}, problems: [] });

function informed(request: AccessRequest, need: InformationNeed, told: readonly Told[]): Informed {
  const all = Object.assign({}, ...told.map(({ attributes }) => attributes)) as Attributes;
  const chars = JSON.stringify(all).length;
  const tooLong = chars > informedMaxChars ? [`what is known has ${String(chars)} characters, too many to count`] : [];
  const attributes = tooLong.length > 0 ? {} : all;
  const asked = new Set([...need.ofRegistry, ...need.ofSource]);
  const sent = Object.entries(request.resourceAttributes ?? {}).filter(([name]) => !asked.has(name));
  return {
    access: { ...request, resourceAttributes: Object.fromEntries(sent), informed: attributes },
    attributes,
    untilMs: Math.min(...told.map(({ untilMs }) => untilMs)),
    problems: [...told.flatMap(({ problem }) => problem ?? []), ...tooLong],
  };
}

const forWantOf: ReadonlySet<Decision['code']> = new Set(['no_matching_allow', 'deny_rule_failed']);

/** A refusal for want of an attribute, under its own code; every other decision as it is. */
export function explained(decision: Decision, { problems }: Informed): Decision {
  if (problems.length === 0 || decision.allowed || !forWantOf.has(decision.code)) return decision;
  const reason = `${decision.reason}; ${problems.join('; ')}`;
  return { ...decision, code: 'attribute_unavailable', reason };
}
