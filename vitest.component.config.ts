import { defineConfig } from 'vitest/config';

/** Tests of built services: run after the build, one file at a time, since each starts real processes. */
export default defineConfig({
  test: {
    include: ['apps/*/test/**/*.component.spec.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    fileParallelism: false,
  },
});
