import { defineConfig } from 'vitest/config';

/** The whole system as built, with real RabbitMQ and PostgreSQL; one file at a time. */
export default defineConfig({
  ssr: { resolve: { conditions: ['node'] } },
  test: {
    include: ['e2e/**/*.spec.ts'],
    testTimeout: 240_000,
    hookTimeout: 240_000,
    fileParallelism: false,
  },
});
