/** How many calls of each tool run at once: what its author set, and what the mesh may set within that. */
import { registryV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import type { HandlerOptions, ServedTool } from './handler.js';

/** What the registry takes of one capability. */
const MAX_CONCURRENCY = 1_000;

const bounds = {
  unspecified: registryV1.Bound.UNSPECIFIED,
  io: registryV1.Bound.IO,
  cpu: registryV1.Bound.CPU,
} as const;

/** Throws `invalid_argument` when the numbers make no sense. */
export function slotsOf({ concurrency = 1, bound }: HandlerOptions): Pick<ServedTool, 'slots' | 'range' | 'bound'> {
  const { initial, max } = typeof concurrency === 'number' ? { initial: concurrency, max: concurrency } : concurrency;
  if (!Number.isInteger(initial) || initial < 1) {
    throw new CogmeshError('invalid_argument', `concurrency must be a whole number from 1, not ${initial}`);
  }
  if (!Number.isInteger(max) || max < initial || max > MAX_CONCURRENCY) {
    const message = `concurrency.max must be a whole number from ${initial} to ${MAX_CONCURRENCY}, not ${max}`;
    throw new CogmeshError('invalid_argument', message);
  }
  return { slots: initial, range: { initial, max }, bound };
}

/** Answers why not, in words for a person; undefined when it is done. */
export function setSlots(
  tools: ReadonlyMap<string, ServedTool>,
  { capability, credits }: Pick<registryV1.SetCredits, 'capability' | 'credits'>,
): string | undefined {
  const tool = tools.get(capability);
  if (!tool) return `this agent does not serve ${capability}`;
  const { initial, max } = tool.range;
  if (initial === max) return `the concurrency of ${capability} is fixed at ${initial}`;
  if (credits < initial || credits > max) return `the concurrency of ${capability} is ${initial} to ${max}`;
  tool.slots = credits;
  return undefined;
}

/** Their input schemas besides, as the first message of a stream has them. */
export function introduced(tools: Iterable<ServedTool>, isOpen: boolean) {
  const served = [...tools];
  return announced(served, isOpen).map((each, index) => ({
    ...each,
    inputSchemaJson: served[index]?.inputSchemaJson ?? '',
  }));
}

/** As announced; a closed agent takes nothing. */
export function announced(tools: Iterable<ServedTool>, isOpen: boolean) {
  return [...tools].map(({ capability, slots, range: { initial, max }, bound }) => ({
    name: capability,
    credits: isOpen ? slots : 0,
    ready: isOpen,
    ...(initial < max ? { minCredits: initial, maxCredits: max } : {}),
    bound: bounds[bound ?? 'unspecified'],
  }));
}
