import { createRequire } from 'node:module';

/** The product's version, from this package. */
export const version: string = (createRequire(import.meta.url)('@cogmesh/service/package.json') as { version: string })
  .version;
