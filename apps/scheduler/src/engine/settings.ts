/** What the engine is told by its configuration; `config.ts` documents each. */
import type { RunLimits, SchedulingSettings, TaskDefaults } from '@cogmesh/scheduling-core';

export interface EngineSettings extends SchedulingSettings {
  readonly strategy: 'load-aware' | 'round-robin';
  /** Unstarted work in one shared queue. */
  readonly sharedOutstanding: number;
  readonly resultSenders: readonly string[];
  readonly limits: RunLimits;
  readonly defaults: TaskDefaults;
}
