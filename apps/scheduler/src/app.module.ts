import { Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common';
import type { Scheduler } from './wiring.js';

/** The built scheduler, for whoever asks Nest for it. */
export const SCHEDULER = Symbol('scheduler');

/** Nest's index of the service: the built objects under its life cycle. */
@Module({})
export class SchedulerModule {
  static of(scheduler: Scheduler): DynamicModule {
    const shutdown: OnApplicationShutdown = { onApplicationShutdown: () => scheduler.stop() };
    return {
      module: SchedulerModule,
      providers: [
        { provide: SCHEDULER, useValue: scheduler },
        { provide: 'scheduler-shutdown', useFactory: () => shutdown },
      ],
      exports: [SCHEDULER],
    };
  }
}
