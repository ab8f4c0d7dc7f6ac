import { mutationOf } from './room.mjs';

/** What helps authors: linter, tests, differences, simulation. Nothing of it decides. */
export default mutationOf('policy-core', {
  part: 'policy-tools',
  mutate: ['libs/policy-core/src/tools/*.ts'],
  exclude: ['**/policy-core/test/*.spec.ts', '**/policy-core/src/*.spec.ts'],
});
