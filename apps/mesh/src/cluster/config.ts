import { defineConfig, flag, integer, setting } from '@cogmesh/config';

/** Of a cluster on one machine. */
export const clusterConfig = defineConfig('cluster', {
  schedulers: setting(
    'COGMESH_CLUSTER_SCHEDULERS',
    integer({ min: 1, max: 8, default: 1 }),
    'Schedulers of a cluster on one machine, which share the work.',
  ),
  mutualTls: setting(
    'COGMESH_CLUSTER_MTLS',
    flag(false),
    'The processes of a cluster on one machine speak to each other with mutual TLS; certificates that are missing are made at the start.',
  ),
});
