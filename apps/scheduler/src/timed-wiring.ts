/** What runs by the clock beside the engine: schedules that submit runs, webhooks that tell of them, the end of what is old. Part of the composition root. */
import type { Engine } from '@cogmesh/scheduling-core';
import type { ServiceHost } from '@cogmesh/service';
import { ulid } from 'ulid';
import { SqlRetention } from './adapters/sql-retention.js';
import { SqlSchedules } from './adapters/sql-schedules.js';
import { SqlWebhooks } from './adapters/sql-webhooks.js';
import type { SchedulerConfig } from './config.js';
import { submitRun, type SubmitContext } from './engine/submit-run.js';
import type { SchedulesRpcContext } from './rpc/schedules.rpc.js';
import type { WebhooksRpcContext } from './rpc/webhooks.rpc.js';
import { RetentionLoop } from './retention/retention-loop.js';
import type { Decisions } from './schedules/decisions.js';
import { SchedulesLoop } from './schedules/schedules-loop.js';
import { WebhookSender } from './webhooks/webhook-sender.js';

export interface TimedParts {
  readonly host: Pick<ServiceHost, 'database' | 'logger'>;
  readonly config: SchedulerConfig;
  readonly engine: Engine;
  readonly decisions: Decisions;
  readonly submission: SubmitContext;
  /** Ends a run, whoever decides for it. */
  readonly cancel: (runId: string, reason: string) => Promise<void>;
}

export interface Timed {
  readonly schedules: SchedulesRpcContext;
  readonly webhooks: WebhooksRpcContext;
  start(): void;
  /** No schedule fires any more, and nothing more is removed. */
  stopFiring(): Promise<void>;
  /** Deliveries under way come to their end. */
  stopSending(): Promise<void>;
}

export function buildTimed({ host, config, engine, decisions, submission, cancel }: TimedParts): Timed {
  const { database, logger } = host;
  const firing = {
    schedules: new SqlSchedules(database),
    decisions,
    submit: (request: Parameters<typeof submitRun>[1]) => submitRun(submission, request),
    maxExpressionSteps: submission.settings.limits.maxExpressionSteps,
  };
  const isOn = (): boolean => engine.owns(0);
  const loop = new SchedulesLoop({ ...firing, cancel, graceMs: config.misfireGraceMs, isOn, logger });
  const webhooks = new SqlWebhooks(database);
  const { webhookAllowPrivate: allowPrivate, webhookMaxAttempts: maxAttempts } = config;
  const sender = new WebhookSender({ webhooks, allowPrivate, maxAttempts, random: Math.random, logger });
  const { historyDays, runDays } = config;
  const table = new SqlRetention(database);
  const retention = new RetentionLoop({ table, historyDays, runDays, isResponsible: isOn, logger });
  engine.listen({
    stored: (_effects, { deliveries }) => {
      if (deliveries > 0) sender.wake();
    },
  });
  return {
    schedules: { ...firing, submission, newId: () => `schedule_${ulid()}`, onPut: () => loop.wake() },
    webhooks: { webhooks, allowPrivate, newId: () => `webhook_${ulid()}`, onPut: () => sender.wake() },
    start: () => {
      loop.start();
      sender.start();
      retention.start();
    },
    stopFiring: async () => {
      await Promise.all([loop.stop(), retention.stop()]);
    },
    stopSending: () => sender.stop(),
  };
}
