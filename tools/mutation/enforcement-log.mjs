import { mutationOf } from './room.mjs';

/** What tells of decisions, and what waits for answers: tests with sockets, disks and time-outs, so it takes long. */
export default mutationOf('enforcement', {
  part: 'enforcement-log',
  mutate: ['libs/enforcement/src/log/*.ts', 'libs/enforcement/src/sidecar-grants.ts'],
});
