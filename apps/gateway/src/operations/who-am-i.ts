import type { OutsideSubject } from '@cogmesh/rpc';
import type { Operation } from './operation.js';

/** Who the gateway takes the caller for. Needs no right: it tells a caller only about itself. */
export function whoAmI(): Operation<Record<string, never>, OutsideSubject> {
  return ({ subject }) => Promise.resolve(subject);
}
