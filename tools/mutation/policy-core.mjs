import { mutationOf } from './room.mjs';

/** What decides. */
export default mutationOf('policy-core', {
  mutate: ['libs/policy-core/src/*.ts', 'libs/policy-core/src/governance/*.ts'],
  exclude: ['**/test/laws.spec.ts', '**/test/casbin-oracle.spec.ts', '**/src/tools/*.spec.ts'],
});
