/**
 * What happens by the clock: agents overdue, renewals due, instructions expired, records to be written, admissions to be checked
 * again. One timer for all of it; a step that is still running is not started twice.
 */
import { CogmeshError, toCogmeshError, type ErrorCode } from '@cogmesh/errors';
import type { AgentRoster, AgentStore, Clock, PendingInstructions } from '@cogmesh/registry-core';
import type { Logger } from '@cogmesh/telemetry';
import type { PolicySource } from '@cogmesh/enforcement';
import type { Admission } from '../admission/admission.js';
import type { RelayDesk } from '../relay/relay-desk.js';
import type { SchemaShelf } from '../schemas/schema-shelf.js';
import type { AgentStream } from './agent-stream.js';
import type { AgentStreams } from './agent-streams.js';
import type { LeaseForwarder } from './lease-forwarder.js';

export interface HousekeepingOptions {
  readonly roster: AgentRoster;
  readonly store: AgentStore;
  readonly schemas: Pick<SchemaShelf, 'save' | 'dropUnused'>;
  readonly streams: AgentStreams;
  readonly relays: RelayDesk;
  readonly forwarder: LeaseForwarder;
  readonly pending: PendingInstructions;
  readonly admission: Pick<Admission, 'recheck' | 'assertNotRevoked' | 'seemsAllowed'>;
  /** The registry's own copy of policies and revocations: looked at again when it changes. */
  readonly source: Pick<PolicySource, 'onChange'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly flushMs: number;
  readonly recheckMs: number;
  /** Default 100. */
  readonly tickMs?: number;
}

/** Answers that say that the agent may not go on, as against those that say nothing. */
const takesAway: ReadonlySet<ErrorCode> = new Set([
  'permission_denied',
  'unknown_issuer',
  'invalid_token',
  'expired_token',
]);

export class Housekeeping {
  readonly #options: HousekeepingOptions;
  #timer: NodeJS.Timeout | undefined;
  #flushing: Promise<void> | undefined;
  #nextFlushMs = 0;
  #nextRecheckMs = 0;
  /** A change of state must not wait for the next flush of portraits. */
  #urgent = false;
  #forgetChanges: () => void = () => {};

  constructor(options: HousekeepingOptions) {
    this.#options = options;
  }

  start(): void {
    this.#forgetChanges = this.#options.source.onChange(() => this.policiesChanged());
    this.#timer = setInterval(() => this.tick(), this.#options.tickMs ?? 100);
    this.#nextRecheckMs = this.#options.clock.monotonicMs() + this.#options.recheckMs;
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#forgetChanges();
    await this.#flushing;
    await this.#flush();
  }

  /** Write soon: an agent's state changed. */
  hurry(): void {
    this.#urgent = true;
  }

  /** Whoever is revoked goes at once; whom the registry's own copy of the policies does not let serve any more is asked about. */
  policiesChanged(): void {
    const { streams, admission } = this.#options;
    for (const stream of streams.all()) {
      if (!stream.outside || this.#endRevoked(stream)) continue;
      if (!admission.seemsAllowed(stream.outside.subject, [...stream.admitted]))
        this.#quietly(this.#recheck(stream), 'checking an admission');
    }
  }

  /** Every token is looked at again, with the next tick. */
  issuersChanged(): void {
    this.#nextRecheckMs = 0;
  }

  tick(): void {
    const { roster, relays, forwarder, pending, streams, clock } = this.#options;
    const { lost, forgotten } = roster.tick();
    for (const id of lost) this.#lose(id);
    if (forgotten.length > 0) this.#forget(forgotten);
    pending.expire();
    forwarder.tick();
    relays.tick();
    for (const stream of streams.all()) this.#endExpired(stream);
    if (clock.monotonicMs() >= this.#nextRecheckMs) this.#recheckAll();
    if (this.#urgent || clock.monotonicMs() >= this.#nextFlushMs) this.#flushSoon();
  }

  #lose(id: string): void {
    const { streams, relays, logger } = this.#options;
    logger.warn({ agent: id }, 'an agent is lost');
    streams.get(id)?.end(new CogmeshError('timeout', 'no heartbeat; connect again'));
    this.#quietly(relays.close(id, 'the agent is lost'), 'handing back work');
  }

  #forget(ids: readonly string[]): void {
    const { store, relays } = this.#options;
    this.#quietly(Promise.all([store.remove(ids), relays.forget(ids)]), 'forgetting agents');
  }

  #endExpired(stream: AgentStream): void {
    if (stream.outside && stream.outside.expiresAtMs <= this.#options.clock.wallMs()) {
      stream.end(new CogmeshError('expired_token', 'the token has expired; connect with a new one'));
    }
  }

  #recheckAll(): void {
    const { streams, clock, recheckMs } = this.#options;
    this.#nextRecheckMs = clock.monotonicMs() + recheckMs;
    for (const stream of streams.all()) this.#quietly(this.#recheck(stream), 'checking an admission');
    const { roster, schemas } = this.#options;
    this.#quietly(schemas.dropUnused(roster.list({ includeGone: true })), 'dropping input schemas');
  }

  #endRevoked(stream: AgentStream): boolean {
    try {
      if (stream.outside) this.#options.admission.assertNotRevoked(stream.outside.subject);
      return false;
    } catch (thrown) {
      this.#options.streams.sendAway(stream, toCogmeshError(thrown));
      return true;
    }
  }

  /** Its issuer or policy took the right away: the agent goes. A policy service that cannot answer takes nothing away. */
  async #recheck(stream: AgentStream): Promise<void> {
    const { outside } = stream;
    if (!outside) return;
    try {
      await this.#options.admission.recheck(outside, [...stream.admitted]);
    } catch (thrown) {
      const error = toCogmeshError(thrown);
      if (!takesAway.has(error.code)) throw error;
      // A fresh token may have come meanwhile.
      if (stream.outside === outside) this.#options.streams.sendAway(stream, error);
    }
  }

  #flushSoon(): void {
    const { clock, flushMs } = this.#options;
    if (this.#flushing !== undefined) return;
    this.#urgent = false;
    this.#nextFlushMs = clock.monotonicMs() + flushMs;
    this.#flushing = this.#flush().finally(() => (this.#flushing = undefined));
  }

  async #flush(): Promise<void> {
    const { roster, store, schemas, logger } = this.#options;
    const dirty = roster.takeDirty();
    try {
      await schemas.save();
      await store.save(dirty);
    } catch (error) {
      roster.markDirty(dirty.map(({ id }) => id));
      logger.warn({ err: error, agents: dirty.length }, 'agents could not be stored; trying again');
    }
  }

  #quietly(work: Promise<unknown>, what: string): void {
    work.catch((error: unknown) => this.#options.logger.warn({ err: error }, `${what} failed`));
  }
}
