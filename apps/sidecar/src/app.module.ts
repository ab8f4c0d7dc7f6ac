import { Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common';
import type { SidecarParts } from './wiring.js';

class Shutdown implements OnApplicationShutdown {
  constructor(private readonly parts: SidecarParts) {}

  async onApplicationShutdown(): Promise<void> {
    await this.parts.close();
  }
}

/** Nest's index of the built objects; closing the application drains and closes them. */
@Module({})
export class AppModule {
  static of(parts: SidecarParts): DynamicModule {
    return { module: AppModule, providers: [{ provide: Shutdown, useFactory: () => new Shutdown(parts) }] };
  }
}
