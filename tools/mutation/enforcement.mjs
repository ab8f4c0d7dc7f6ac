import { mutationOf } from './room.mjs';

/** What decides about a call; the decision log and the sidecar's stream are `enforcement-log.mjs`. */
export default mutationOf('enforcement', {
  mutate: ['libs/enforcement/src/*.ts', '!**/sidecar-grants.ts', '!**/peer-check.ts'],
  exclude: ['decision-log', 'logged-calls', 'sidecar-grants', 'mutual-tls'].map((name) => `**/${name}.spec.ts`),
});
