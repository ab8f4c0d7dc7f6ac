/** A world as the engine takes it: through the document an author would write. */
import { DecisionEngine, parsePolicySet } from '../../src/index.js';
import type { WorldOrganisation } from './world.js';

export function engineOf(world: readonly WorldOrganisation[]): DecisionEngine {
  const engine = new DecisionEngine();
  for (const organisation of world) putInto(engine, organisation);
  return engine;
}

/** Replaces one organisation's set, at the epoch after the one that is held. */
export function putInto(engine: DecisionEngine, organisation: WorldOrganisation): void {
  const { name, grants } = organisation;
  const epoch = (engine.epochOf(name) ?? 0) + 1;
  engine.replace({ organisation: name, epoch, document: parsePolicySet(documentOf(organisation)), grants });
}

function documentOf({ name, inherits, rules, bindings, topology, entities }: WorldOrganisation): unknown {
  return {
    organisation: name,
    roles: Object.fromEntries(Object.entries(inherits).map(([role, inherited]) => [role, { inherits: inherited }])),
    policies: rules.map(({ when, ...rest }) => ({ ...rest, ...(when === undefined ? {} : { policy: when.cel }) })),
    bindings: bindings.map(({ when, ...rest }) => ({ ...rest, ...(when === undefined ? {} : { when: when.cel }) })),
    topology,
    entities,
  };
}
