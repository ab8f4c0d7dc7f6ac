import { defineConfig, integer, setting } from '@cogmesh/config';

/** Of a cluster on one machine. */
export const clusterConfig = defineConfig('cluster', {
  schedulers: setting(
    'COGMESH_CLUSTER_SCHEDULERS',
    integer({ min: 1, max: 8, default: 1 }),
    'Schedulers of a cluster on one machine, which share the work.',
  ),
});
