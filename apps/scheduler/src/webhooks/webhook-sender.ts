/**
 * Sends what waits in the outbox: a bounded number at once, few of them of one organisation, so that a slow receiver delays
 * its own organisation only. At least once: a delivery whose sender died is taken again after a while, under the same id.
 */
import { toCogmeshError } from '@cogmesh/errors';
import { webhookDelayMs } from '@cogmesh/scheduling-core';
import type { Logger } from '@cogmesh/telemetry';
import type { SqlWebhooks, WaitingDelivery } from '../adapters/sql-webhooks.js';
import { Backoff } from '../engine/backoff.js';
import { Signal } from '../engine/signal.js';
import { postWebhook } from './post-webhook.js';

/** Attempts under way. */
const maxAtOnce = 16;
const maxOfOrganisation = 4;
/** Rows looked at to fill the free places. */
const batch = 64;
/** Nobody else takes a delivery for so long; longer than an attempt can last, milliseconds. */
const heldMs = 30_000;
/** Longest sleep, milliseconds: the backstop for deliveries of other replicas. */
const maxSleepMs = 1_000;
const maxErrorLength = 500;

export interface WebhookSenderOptions {
  readonly webhooks: SqlWebhooks;
  readonly allowPrivate: boolean;
  readonly maxAttempts: number;
  /** 0 <= x < 1. */
  readonly random: () => number;
  readonly logger: Logger;
}

export class WebhookSender {
  readonly #options: WebhookSenderOptions;
  readonly #signal = new Signal();
  readonly #backoff = new Backoff();
  /** Attempts under way, with their organisation. */
  readonly #sending = new Map<Promise<void>, string>();
  #stopped = false;
  #loop: Promise<void> | undefined;

  constructor(options: WebhookSenderOptions) {
    this.#options = options;
  }

  start(): void {
    this.#loop = this.#run();
  }

  /** Attempts under way come to their end. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#signal.set();
    await this.#loop;
    await this.settled();
  }

  async settled(): Promise<void> {
    await Promise.all(this.#sending.keys());
  }

  /** There are new deliveries. */
  wake(): void {
    this.#signal.set();
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      let restMs: number;
      try {
        restMs = await this.poll();
        this.#backoff.succeeded();
      } catch (thrown) {
        restMs = this.#backoff.next();
        const error = toCogmeshError(thrown);
        this.#options.logger.warn({ code: error.code, err: error, restMs }, `webhooks rest: ${error.message}`);
      }
      if (!this.#stopped && restMs > 0) await this.#signal.wait(restMs);
    }
  }

  /** Begins what is due and has a place; answers how long to sleep, milliseconds. */
  async poll(): Promise<number> {
    if (this.#sending.size >= maxAtOnce) return maxSleepMs;
    const { deliveries, nextInMs } = await this.#options.webhooks.due(batch, this.#busy());
    let begun = 0;
    for (const delivery of deliveries) {
      if (this.#sending.size >= maxAtOnce) break;
      if (this.#of(delivery.organisation) >= maxOfOrganisation) continue;
      if (await this.#begin(delivery)) begun += 1;
    }
    if (begun > 0) return 0;
    return Math.min(maxSleepMs, Math.max(10, nextInMs ?? maxSleepMs));
  }

  #busy(): string[] {
    return [...new Set(this.#sending.values())].filter((organisation) => this.#of(organisation) >= maxOfOrganisation);
  }

  #of(organisation: string): number {
    return [...this.#sending.values()].filter((each) => each === organisation).length;
  }

  async #begin(delivery: WaitingDelivery): Promise<boolean> {
    const nowMs = await this.#options.webhooks.take(delivery, heldMs);
    if (nowMs === undefined) return false;
    const sending = this.#send(delivery, nowMs)
      .catch((thrown: unknown) => {
        const error = toCogmeshError(thrown);
        this.#options.logger.warn({ deliveryId: delivery.id, code: error.code }, 'a delivery is tried again');
      })
      .finally(() => {
        this.#sending.delete(sending);
        this.#signal.set();
      });
    this.#sending.set(sending, delivery.organisation);
    return true;
  }

  async #send(delivery: WaitingDelivery, nowMs: number): Promise<void> {
    const { webhooks, allowPrivate, maxAttempts, random, logger } = this.#options;
    const attempt = delivery.attempt + 1;
    const { status, error } = await answerOf({ ...delivery, nowMs }, allowPrivate);
    const delivered = error === '';
    const isLast = attempt >= maxAttempts;
    const againInMs = delivered || isLast ? undefined : webhookDelayMs(attempt, random());
    await webhooks.attempted(delivery, { status, error, delivered, againInMs });
    const facts = { deliveryId: delivery.id, webhookId: delivery.webhookId, status, attempt };
    if (!delivered) logger.info({ ...facts, error }, isLast ? 'a delivery is given up' : 'a delivery failed');
  }
}

async function answerOf(
  post: Parameters<typeof postWebhook>[0],
  allowPrivate: boolean,
): Promise<{ status: number; error: string }> {
  try {
    const status = await postWebhook(post, { allowPrivate });
    if (status >= 200 && status < 300) return { status, error: '' };
    const isRedirect = status >= 300 && status < 400;
    return { status, error: isRedirect ? 'it answered with a redirect, which is not followed' : 'it was refused' };
  } catch (thrown) {
    const message = thrown instanceof Error && thrown.message !== '' ? thrown.message : String(thrown);
    return { status: 0, error: message.slice(0, maxErrorLength) };
  }
}
