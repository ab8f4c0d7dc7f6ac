import { Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common';
import type { PolicyParts } from './wiring.js';

/** Injection tokens of what the wiring built. */
export const POLICY_BOOK = Symbol('PolicyBook');
export const PUT_POLICIES = Symbol('PutPolicies');

class Shutdown implements OnApplicationShutdown {
  constructor(private readonly parts: PolicyParts) {}

  async onApplicationShutdown(): Promise<void> {
    await this.parts.close();
  }
}

/** Nest's index of the built objects; closing the application closes them. */
@Module({})
export class AppModule {
  static of(parts: PolicyParts): DynamicModule {
    return {
      module: AppModule,
      providers: [
        { provide: POLICY_BOOK, useValue: parts.book },
        { provide: PUT_POLICIES, useValue: parts.putPolicies },
        { provide: Shutdown, useFactory: () => new Shutdown(parts) },
      ],
      exports: [POLICY_BOOK, PUT_POLICIES],
    };
  }
}
