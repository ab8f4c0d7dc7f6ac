import { Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common';
import type { WorkerParts } from './wiring.js';

/** Injection tokens of what the wiring built. */
export const MODEL_BOOK = Symbol('ModelBook');
export const INFERENCE = Symbol('Inference');

class Shutdown implements OnApplicationShutdown {
  constructor(private readonly parts: WorkerParts) {}

  async onApplicationShutdown(): Promise<void> {
    await this.parts.close();
  }
}

/** Nest's index of the built objects; closing the application drains and closes them. */
@Module({})
export class AppModule {
  static of(parts: WorkerParts): DynamicModule {
    return {
      module: AppModule,
      providers: [
        { provide: MODEL_BOOK, useValue: parts.models },
        { provide: INFERENCE, useValue: parts.inference },
        { provide: Shutdown, useFactory: () => new Shutdown(parts) },
      ],
      exports: [MODEL_BOOK, INFERENCE],
    };
  }
}
