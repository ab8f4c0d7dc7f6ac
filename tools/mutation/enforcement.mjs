import { mutationOf } from './room.mjs';

/** What decides about a call; the decision log and the sidecar's stream are `enforcement-log.mjs`. */
export default mutationOf('enforcement', {
  mutate: ['libs/enforcement/src/*.ts', '!**/sidecar-grants.ts'],
  exclude: ['**/decision-log.spec.ts', '**/logged-calls.spec.ts', '**/sidecar-grants.spec.ts'],
});
