/** Reads what a set says about the world around its rules: other organisations, and single resources. */
import { CogmeshError } from '@cogmesh/errors';
import type { DocumentReader } from './document-reader.js';
import { entityPath } from './entity-name.js';
import { limits } from './limits.js';
import { organisationPattern } from './names.js';
import type { Entity, Topology } from './types.js';

const relations = ['parents', 'members', 'partners'] as const;

/** `own` is the organisation the set names, if it does; it stands in no relation to itself. */
export function readTopology(reader: DocumentReader, json: unknown, own: string | undefined): Topology {
  const fields = reader.object(json, 'topology', relations);
  const rule = { max: limits.topology, min: 0, pattern: organisationPattern };
  const [parents = [], members = [], partners = []] = relations.map((relation) =>
    reader.texts(fields[relation] ?? [], { ...rule, path: `topology.${relation}` }),
  );
  const topology = { parents, members, partners };
  checkRelations(reader, topology, own);
  return topology;
}

function checkRelations(reader: DocumentReader, topology: Topology, own: string | undefined): void {
  const seen = new Map<string, string>();
  for (const relation of relations)
    topology[relation].forEach((name, i) => {
      const path = `topology.${relation}[${String(i)}]`;
      const first = seen.get(name);
      if (name === own) reader.issue(path, 'own_organisation', `"${name}" is the organisation itself`);
      else if (first === undefined) seen.set(name, path);
      else reader.issue(path, 'duplicate_name', `"${name}" is already ${first}`);
    });
}

export function readEntities(reader: DocumentReader, json: unknown): Record<string, Entity> {
  const entities: [string, Entity][] = [];
  for (const [name, value] of reader.entries(json, { path: 'entities', max: limits.entities })) {
    const path = `entities.${name}`;
    const problem = entityProblem(name);
    if (problem !== undefined) reader.issue(path, 'invalid_name', problem);
    const { attributes } = reader.object(value, path, ['attributes']);
    entities.push([name, { attributes: reader.members(attributes ?? {}, `${path}.attributes`) }]);
  }
  return Object.fromEntries(entities);
}

function entityProblem(name: string): string | undefined {
  try {
    entityPath(name);
    return undefined;
  } catch (thrown) {
    if (!(thrown instanceof CogmeshError)) throw thrown;
    return `is not "<type>:<id>" of a resource: ${thrown.message}`;
  }
}
