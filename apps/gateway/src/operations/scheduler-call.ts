import type { DescMethod } from '@bufbuild/protobuf';
import type { Access, CallOptions } from '@cogmesh/rpc';
import { CogmeshError } from '@cogmesh/errors';
import { authorise } from './authority.js';
import type { OperationRequest } from './operation.js';
import type { OperationPorts } from './ports.js';

/** What a use case needs that is one permitted call of the scheduler. */
export type SchedulerPorts = Pick<OperationPorts, 'decisions' | 'calls' | 'scheduler'>;

export interface SchedulerCall<Answer> {
  readonly method: DescMethod;
  readonly rights: readonly Access[];
  readonly send: (options: CallOptions) => Promise<Answer>;
}

/** Asks for the rights, then calls with a permit for exactly these. */
export async function callScheduler<Answer>(
  ports: SchedulerPorts,
  request: Pick<OperationRequest<unknown>, 'subject' | 'signal'>,
  { method, rights, send }: SchedulerCall<Answer>,
): Promise<Answer> {
  const permission = await authorise(ports.decisions, request, rights);
  return ports.calls.call({ audience: 'scheduler', method, permission, signal: request.signal, send });
}

/** Rejects with `invalid_argument` when the text is longer. */
export function assertLength(text: string, maxChars: number, what: string): void {
  if (text.length > maxChars)
    throw new CogmeshError('invalid_argument', `${what} has at most ${maxChars} characters`, { limit: maxChars });
}

/** Rejects with `invalid_argument` unless it is left out or names an item, from 0. */
export function assertIndex(index: number | undefined): void {
  if (index === undefined || (Number.isInteger(index) && index >= 0)) return;
  throw new CogmeshError('invalid_argument', 'index is a whole number from 0', { index });
}

const pageMax = 500;

/** Rejects with `invalid_argument` unless 0 (the default) to 500. */
export function assertLimit(limit: number): void {
  if (Number.isInteger(limit) && limit >= 0 && limit <= pageMax) return;
  throw new CogmeshError('invalid_argument', `limit is a whole number from 1 to ${pageMax}`, { limit });
}
