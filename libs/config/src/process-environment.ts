import type { Environment } from './load-config.js';

/** The only place that reads `process.env`; everything else is handed an Environment. */
export function processEnvironment(): Environment {
  return { ...process.env };
}
