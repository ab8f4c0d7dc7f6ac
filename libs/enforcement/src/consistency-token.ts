/**
 * What a write hands out and a later read may present: epochs by organisation, and of the revocations. It asks for at least that much, and
 * gives no right, so it is not signed: `c1.acme:7,globex:3.12`.
 */
import { CogmeshError } from '@cogmesh/errors';
import { isOrganisationName } from '@cogmesh/policy-core';
import type { ConsistencyPoint } from './policy-source.js';

const form = /^c1\.((?:[^.:,]{1,64}:\d{1,15},?){0,16})\.(\d{1,15})$/;

export function formatConsistencyToken({ epochs, revocations }: ConsistencyPoint): string {
  const pairs = Object.entries(epochs).map(([name, epoch]) => `${name}:${String(epoch)}`);
  return `c1.${pairs.join(',')}.${String(revocations)}`;
}

/** Throws `invalid_argument` for what is no token of ours. */
export function parseConsistencyToken(token: string): ConsistencyPoint {
  const [, pairs, revocations] = form.exec(token) ?? [];
  if (pairs === undefined) throw noToken();
  const entries = pairs
    .split(',')
    .filter((pair) => pair !== '')
    .map((pair) => pair.split(':') as [string, string]);
  if (!entries.every(([name]) => isOrganisationName(name))) throw noToken();
  return {
    epochs: Object.fromEntries(entries.map(([name, epoch]) => [name, Number(epoch)])),
    revocations: Number(revocations),
  };
}

const noToken = (): CogmeshError =>
  new CogmeshError('invalid_argument', 'the consistency token is none that a write of the policy service answered');
