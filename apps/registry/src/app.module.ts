import { Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common';
import type { Registry } from './wiring.js';

class Shutdown implements OnApplicationShutdown {
  constructor(private readonly registry: Registry) {}

  onApplicationShutdown(): Promise<void> {
    return this.registry.stop();
  }
}

/** Nest's index of the built objects; closing the application stops the registry. */
@Module({})
export class AppModule {
  static of(registry: Registry): DynamicModule {
    return {
      module: AppModule,
      providers: [{ provide: Shutdown, useFactory: () => new Shutdown(registry) }],
    };
  }
}
