/**
 * What a decision may need that stands in no policy set: attributes of a resource as they are now. Of agents the registry is
 * asked, of everything the source that the owner's set names. Only names that candidate rules of the owner read are needed,
 * since nobody else's rules see the answer. Asking is somebody else's; here is only what to ask.
 */
import type { Opened } from './case.js';
import { unionOfReads } from './reads.js';
import type { InformationNeed, InformationSource } from './types.js';

/** Attributes of `/agents/<id>` that the registry tells, whatever a set declares under these names. */
const agentAttributes: readonly string[] = [
  'capabilities',
  'kind',
  'labels',
  'load',
  'name',
  'queued',
  'running',
  'state',
];

export function informationNeed(
  { request: { resource, subject }, place, owner, caller }: Opened,
  source: InformationSource | undefined,
): InformationNeed | undefined {
  const ofRoles = owner === caller ? [owner.organisation.readsForRoles(subject)] : [];
  const read = unionOfReads([...ofRoles, ...owner.candidates.map(({ reads }) => reads)]).resourceAttributes;
  if (read.length === 0) return undefined;
  const known = resource.type === 'agent' && resource.id !== '' ? agentAttributes : [];
  const declared = Object.keys(source?.attributes ?? {}).filter((name) => !known.includes(name));
  const ofRegistry = among(read, known);
  const ofSource = among(read, declared.sort());
  if (ofRegistry.length + ofSource.length === 0) return undefined;
  return { owner: place.owner, resource, ofRegistry, ofSource, source };
}

function among(read: readonly string[], known: readonly string[]): readonly string[] {
  return read.includes('*') ? known : known.filter((name) => read.includes(name));
}
