import { mutationOf } from './room.mjs';

/** What tells of decisions, and what waits for answers: tests with sockets, disks and time-outs, so it takes long. */
export default mutationOf('enforcement', {
  part: 'enforcement-log',
  mutate: ['log/*', 'sidecar-grants', 'peer-check'].map((name) => `libs/enforcement/src/${name}.ts`),
});
