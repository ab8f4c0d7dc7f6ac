import 'reflect-metadata';
import { Module, type DynamicModule } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import type { Logger } from '@cogmesh/telemetry';
import type { Admission } from './admission.js';
import { AuthzenController, AuthzenMetadataController } from './http/authzen.controller.js';
import { AuditController } from './http/audit.controller.js';
import { BlobsController } from './http/blobs.controller.js';
import { CatalogueController } from './http/catalogue.controller.js';
import { ControlController } from './http/control.controller.js';
import { DocsController } from './http/docs.controller.js';
import { EventsController } from './http/events.controller.js';
import { GrantsController } from './http/grants.controller.js';
import { HealthController } from './http/health.controller.js';
import { IssuersController } from './http/issuers.controller.js';
import { LimitsController } from './http/limits.controller.js';
import type { OpenStreams } from './http/open-streams.js';
import { PoliciesController } from './http/policies.controller.js';
import { PolicyVersionsController } from './http/policy-versions.controller.js';
import { ProblemFilter } from './http/problem.filter.js';
import { RevocationsController } from './http/revocations.controller.js';
import { RunsController } from './http/runs.controller.js';
import { SchedulesController } from './http/schedules.controller.js';
import {
  ADMISSION,
  HTTP_SETTINGS,
  LOGGER,
  OPEN_STREAMS,
  OPERATIONS,
  READINESS,
  TOKEN_EXCHANGE,
  type HttpSettings,
} from './http/tokens.js';
import { TokenController } from './http/token.controller.js';
import { WebhooksController } from './http/webhooks.controller.js';
import type { Operations } from './operations/operations.js';
import type { TokenExchange } from './exchange/token-exchange.js';
import type { GatewayReadiness } from './readiness.js';

export interface HttpParts {
  readonly operations: Operations;
  readonly admission: Admission;
  readonly exchange: TokenExchange;
  readonly settings: HttpSettings;
  readonly readiness: GatewayReadiness;
  readonly streams: OpenStreams;
  readonly logger: Logger;
}

/** Nest's index of the HTTP face: the controllers, and the objects wiring.ts built. */
@Module({})
export class AppModule {
  static of(parts: HttpParts): DynamicModule {
    return {
      module: AppModule,
      controllers: [
        RunsController,
        ControlController,
        LimitsController,
        SchedulesController,
        WebhooksController,
        EventsController,
        BlobsController,
        CatalogueController,
        PoliciesController,
        AuditController,
        PolicyVersionsController,
        RevocationsController,
        IssuersController,
        GrantsController,
        TokenController,
        AuthzenController,
        AuthzenMetadataController,
        HealthController,
        DocsController,
      ],
      providers: [
        { provide: OPERATIONS, useValue: parts.operations },
        { provide: ADMISSION, useValue: parts.admission },
        { provide: HTTP_SETTINGS, useValue: parts.settings },
        { provide: READINESS, useValue: parts.readiness },
        { provide: OPEN_STREAMS, useValue: parts.streams },
        { provide: TOKEN_EXCHANGE, useValue: parts.exchange },
        { provide: LOGGER, useValue: parts.logger },
        { provide: APP_FILTER, useClass: ProblemFilter },
      ],
    };
  }
}
