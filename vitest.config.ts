import { defineConfig } from 'vitest/config';

/** Unit and contract tests run from source, beside the code. Component and e2e tests have their own configurations. */
export default defineConfig({
  ssr: { resolve: { conditions: ['@cogmesh/source', 'node'] } },
  test: {
    include: ['apps/*/src/**/*.spec.ts', 'libs/*/src/**/*.spec.ts', 'libs/*/test/**/*.spec.ts', 'tools/**/*.spec.ts'],
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
});
