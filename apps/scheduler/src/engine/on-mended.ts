/** The sweeper found memory wrong: a defect of ours, counted and logged with its evidence. */
import type { OnMended } from '@cogmesh/scheduling-core';
import type { Logger } from '@cogmesh/telemetry';
import type { Counters } from './counters.js';

export const onMended =
  (counters: Counters, logger: Logger): OnMended =>
  ({ kind, says, evidence }, isMended) => {
    counters.mended[kind] += 1;
    const done = isMended ? 'mended' : 'not mended: memory was read anew for it before';
    logger.error({ kind, evidence, isMended }, `the sweeper found memory wrong (${done}): ${says}`);
  };
