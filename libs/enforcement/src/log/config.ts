import { defineConfig, flag, integer, list, setting, type ConfigOf } from '@cogmesh/config';

/** Settings of the decision log at every enforcement point. */
export const decisionLogConfig = defineConfig('decision log', {
  spoolBytes: setting(
    'COGMESH_DECISION_LOG_BYTES',
    integer({ min: 64 * 1024, max: 64 * 1024 ** 3, default: 256 * 1024 * 1024 }),
    'Disk that decisions may take at this enforcement point while the policy service cannot take them, bytes. At four fifths allowed reads are only counted; when it is full, calls that must be logged wait.',
  ),
  sync: setting(
    'COGMESH_DECISION_LOG_SYNC',
    flag(true),
    'Denials, writes and calls across organisations go on only when their entry is on disk (one `fdatasync` for all that wait). Off: when the operating system has it, which survives a crash of the process but not of the machine.',
  ),
  waitMs: setting(
    'COGMESH_DECISION_LOG_WAIT_MS',
    integer({ min: 0, max: 600_000, default: 5_000 }),
    'How long a call that must be logged waits for room on a full spool before it is refused as unavailable, milliseconds.',
  ),
  windowMs: setting(
    'COGMESH_DECISION_LOG_WINDOW_MS',
    integer({ min: 10, max: 60_000, default: 1_000 }),
    'How long allowed reads are gathered in memory before they are written, milliseconds. A crash loses at most this much of them.',
  ),
  countWindowMs: setting(
    'COGMESH_DECISION_LOG_COUNT_MS',
    integer({ min: 10, max: 600_000, default: 10_000 }),
    'How long allowed reads that repeat a decision of before are counted in memory before their number is written, milliseconds. The decision itself is listed; a crash loses how often it was given in this time.',
  ),
  bufferEntries: setting(
    'COGMESH_DECISION_LOG_BUFFER',
    integer({ min: 100, max: 1_000_000, default: 50_000 }),
    'Allowed reads gathered in memory at most; more are written at once, or only counted while the disk does not keep up.',
  ),
  shipMs: setting(
    'COGMESH_DECISION_LOG_SHIP_MS',
    integer({ min: 10, max: 60_000, default: 500 }),
    'Between two messages to the policy service, milliseconds; a full message goes at once.',
  ),
  clearNames: setting(
    'COGMESH_DECISION_LOG_CLEAR',
    list([]),
    'Names in attributes and context whose values are logged as they are; all others are masked.',
  ),
});

export type DecisionLogConfig = ConfigOf<typeof decisionLogConfig>;
