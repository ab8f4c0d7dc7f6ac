import { Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common';
import type { Registry } from './wiring.js';

/** Nest closes what the wiring opened. */
class RegistryLife implements OnApplicationShutdown {
  readonly #registry: Registry;

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  onApplicationShutdown(): Promise<void> {
    return this.#registry.stop();
  }
}

export class RegistryModule {
  /** The built objects under Nest's life cycle. */
  static of(registry: Registry): DynamicModule {
    return {
      module: RegistryModule,
      providers: [{ provide: RegistryLife, useFactory: () => new RegistryLife(registry) }],
    };
  }
}
Module({})(RegistryModule);
