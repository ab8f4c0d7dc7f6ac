/**
 * The work of one SDK agent, from the broker to its stream and back. A delivery is acknowledged once each of its attempts has
 * either started (row and message are durable, from there the lease guards it) or been handed back. When the stream breaks, nothing
 * is decided yet: what was offered is offered again to the agent that comes back, which knows attempts by their id. Only when
 * the agent is lost, gone or draining does unstarted work go back to the scheduler; of one that is lost or gone the started
 * work is reported as lost as well, so that nobody waits for its lease.
 */
import type { workV1 } from '@cogmesh/contracts';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import { toCogmeshError } from '@cogmesh/errors';
import { CreditLedger, type Capability, type Clock } from '@cogmesh/registry-core';
import { attributeNames, recordSpan, spanNames, type Logger } from '@cogmesh/telemetry';
import { failure, isJson, lost, outcomeOf, returned, type Outcome } from './outcome.js';
import type { OutputStore } from './output-store.js';
import { Placement } from './placement.js';
import type { RelayedAttempts } from './relayed-attempt.js';
import type { ResultInit, SchedulerMail } from './scheduler-mail.js';
import { untilDone } from './until-done.js';

export interface AgentRelayOptions {
  readonly agentId: string;
  readonly mail: SchedulerMail;
  readonly outputs: Pick<OutputStore, 'reduce'>;
  readonly attempts: RelayedAttempts;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The registry leaves. */
  readonly signal: AbortSignal;
}

export interface Stream {
  work(work: workV1.Work): void;
  resultAccepted(attemptId: string): void;
  cancel(attemptIds: readonly string[], reason: string): void;
}

/** Words of one attempt that wait to be passed on together. */
const MAX_WORDS = 20;
/** Contract: work.proto, Progress. */
const MAX_PROGRESS_CHARACTERS = 4_096;
const PROGRESS_INTERVAL_MS = 1_000;

export class AgentRelay {
  readonly #options: AgentRelayOptions;
  readonly #ledger = new CreditLedger();
  readonly #placements = new Map<string, Placement>();
  #stream: Stream | undefined;
  #nextProgressMs = 0;
  #refusing: { readonly code: string; readonly reason: string } | undefined;

  constructor(options: AgentRelayOptions) {
    this.#options = options;
  }

  get agentId(): string {
    return this.#options.agentId;
  }

  /** Takes up what an earlier process of the registry left started. */
  async restore(): Promise<void> {
    for (const attempt of await this.#options.attempts.ofAgent(this.agentId)) {
      if (this.#placements.has(attempt.attemptId)) continue;
      const placement = new Placement(attempt, { receivedMs: attempt.startedAtMs });
      placement.settle();
      this.#placements.set(attempt.attemptId, placement);
      this.#ledger.hold(attempt.attemptId, attempt.capability);
    }
  }

  announce(capabilities: readonly Capability[]): void {
    this.#ledger.announce(capabilities);
    this.#offerWaiting();
  }

  attach(stream: Stream): void {
    this.#stream = stream;
    for (const { phase, work } of this.#placements.values()) if (phase === 'offered' && work) stream.work(work);
    this.#offerWaiting();
  }

  /** Only if it is still this stream: a newer one may have taken over. */
  detach(stream: Stream): void {
    if (this.#stream === stream) this.#stream = undefined;
  }

  /** Resolves when the delivery that brought the work may be acknowledged; rejects when it must come again. */
  place(work: workV1.Work, grantJws: string): Promise<void> {
    const known = this.#placements.get(work.attemptId);
    if (known) return known.settled;
    const { attemptId, runId, organisation, capability, traceparent } = work;
    const grant = work.grantJws === '' ? grantJws : work.grantJws;
    const receivedMs = this.#options.clock.wallMs();
    const attempt = {
      attemptId,
      agentId: this.agentId,
      runId,
      organisation,
      capability,
      traceparent,
      grantJws: grant,
      startedAtMs: receivedMs,
    };
    const placement = new Placement(attempt, { work, receivedMs });
    this.#placements.set(attemptId, placement);
    if (this.#refusing) this.#handBack(placement, this.#refusing);
    else if (placement.expired(receivedMs)) this.#handBack(placement, { code: 'expired', reason: 'it came too late' });
    else this.#offerWaiting();
    return placement.settled;
  }

  /** Tells the scheduler that this work is refused for good, and why. */
  refuse({ attemptId, runId, traceparent }: workV1.Work, code: string, reason: string): Promise<void> {
    return this.#options.mail.result(
      { attemptId, runId, agentId: this.agentId, outcome: failure(code, reason) },
      traceparent,
    );
  }

  /** Hands work back that was never placed. */
  giveBack({ attemptId, runId, traceparent }: workV1.Work, code: string, reason: string): Promise<void> {
    return this.#options.mail.result(
      { attemptId, runId, agentId: this.agentId, outcome: returned(code, reason) },
      traceparent,
    );
  }

  started({ attemptId, startedAt }: workV1.Started): void {
    const placement = this.#placements.get(attemptId);
    if (!placement) return this.#stream?.cancel([attemptId], 'the attempt is not wanted any more');
    if (placement.phase !== 'offered' && (placement.phase !== 'started' || placement.announced)) return;
    const atMs = startedAt ? timestampDate(startedAt).getTime() : this.#options.clock.wallMs();
    placement.phase = 'started';
    placement.announced = true;
    this.#run(placement, () => this.#announceStart(placement, startedAt, atMs));
  }

  result(message: workV1.Result): void {
    const placement = this.#placements.get(message.attemptId);
    if (!placement) return this.#stream?.resultAccepted(message.attemptId);
    if (placement.phase === 'ending') return;
    const outcome = outcomeOf(message, placement.phase === 'started');
    placement.phase = 'ending';
    this.#run(placement, () => this.#finish(placement, outcome, message.timing));
  }

  /** Passed on with the next `tick` that is due: of plain progress the newest, of log lines and partial output what fits. */
  progress({ attemptId, dataJson }: workV1.Progress): void {
    const placement = this.#placements.get(attemptId);
    if (placement?.phase !== 'started' || dataJson.length > MAX_PROGRESS_CHARACTERS) return;
    if (isJson(dataJson)) placement.words = withWord(placement.words, dataJson);
  }

  /** What a heartbeat no longer lists although it was started is forgotten by the agent; its lease will run out. */
  reconcile(attemptIds: readonly string[]): void {
    const listed = new Set(attemptIds);
    for (const placement of this.#placements.values()) {
      if (placement.phase !== 'started' || listed.has(placement.id)) continue;
      this.#run(placement, () => this.#forget(placement));
    }
  }

  /** The scheduler does not know these attempts any more. */
  unwanted(attemptIds: readonly string[]): void {
    for (const id of attemptIds) {
      const placement = this.#placements.get(id);
      if (placement) placement.unwanted = true;
    }
  }

  /** Hands back what its time has passed, and passes progress on. */
  tick(): void {
    this.#forwardProgress();
    const nowMs = this.#options.clock.wallMs();
    for (const placement of this.#placements.values()) {
      if (!placement.unstarted || !placement.expired(nowMs)) continue;
      this.#handBack(placement, { code: 'expired', reason: 'the agent did not start it in time' });
    }
  }

  /** From now on everything unstarted goes back, also what arrives later. Resolves when it has. */
  async refuseWork(code: string, reason: string): Promise<void> {
    this.#refusing = { code, reason };
    const unstarted = [...this.#placements.values()].filter((placement) => placement.unstarted);
    for (const placement of unstarted) this.#handBack(placement, this.#refusing);
    await Promise.allSettled(unstarted.map((placement) => placement.settled));
  }

  /** The agent is lost or gone: what it had started is lost with it, whatever it may say later. Resolves when that is told. */
  async loseStarted(reason: string): Promise<void> {
    const started = [...this.#placements.values()].filter(({ phase }) => phase === 'started');
    for (const placement of started) {
      placement.phase = 'ending';
      this.#run(placement, () => this.#finish(placement, lost(reason), undefined));
    }
    await Promise.allSettled(started.map((placement) => placement.next(async () => {})));
  }

  acceptWork(): void {
    this.#refusing = undefined;
  }

  #forwardProgress(): void {
    const { clock, mail, logger } = this.#options;
    if (clock.monotonicMs() < this.#nextProgressMs) return;
    const news = [...this.#placements.values()].filter(({ words, told }) => told && words.length > 0);
    if (news.length === 0) return;
    this.#nextProgressMs = clock.monotonicMs() + PROGRESS_INTERVAL_MS;
    const progress = news.flatMap(({ attempt: { attemptId, runId }, words }) =>
      words.map((dataJson) => ({ attemptId, runId, dataJson })),
    );
    for (const placement of news) placement.words = [];
    mail.progress(progress).catch((error: unknown) => logger.debug({ err: error }, 'progress was lost'));
  }

  #offerWaiting(): void {
    if (!this.#stream) return;
    for (const placement of this.#placements.values()) {
      const { work } = placement;
      if (placement.phase !== 'waiting' || !work || !this.#ledger.take(placement.id, work.capability)) continue;
      placement.phase = 'offered';
      this.#stream.work(work);
    }
  }

  #handBack(placement: Placement, { code, reason }: { readonly code: string; readonly reason: string }): void {
    if (placement.phase === 'offered') this.#stream?.cancel([placement.id], reason);
    placement.phase = 'ending';
    this.#run(placement, () => this.#finish(placement, returned(code, reason), undefined));
  }

  async #announceStart(
    placement: Placement,
    startedAt: workV1.Started['startedAt'],
    startedAtMs: number,
  ): Promise<void> {
    const { attempts, mail, signal } = this.#options;
    const { attemptId, runId, traceparent } = placement.attempt;
    // Its result is here already and proves the start.
    if (placement.phase === 'ending') return;
    placement.stored = true;
    await untilDone(() => attempts.add({ ...placement.attempt, startedAtMs }), signal);
    await mail.started({ attemptId, runId, agentId: this.agentId, ...(startedAt ? { startedAt } : {}) }, traceparent);
    placement.told = true;
    placement.settle();
  }

  async #finish(placement: Placement, said: Outcome, timing: workV1.Result['timing']): Promise<void> {
    const { mail, attempts, signal } = this.#options;
    const { attemptId, runId, traceparent } = placement.attempt;
    if (!placement.unwanted) {
      const outcome = await this.#storable(said, placement);
      const result: ResultInit = { attemptId, runId, agentId: this.agentId, outcome, ...(timing ? { timing } : {}) };
      await mail.result(result, traceparent);
      this.#trace(placement, outcome);
    }
    placement.settle();
    if (placement.stored) await untilDone(() => attempts.remove([attemptId]), signal);
    this.#end(placement);
    this.#stream?.resultAccepted(attemptId);
  }

  async #storable(outcome: Outcome, { attempt }: Placement): Promise<Outcome> {
    if (outcome.case !== 'outputJson') return outcome;
    try {
      return { case: 'outputJson', value: await this.#options.outputs.reduce(outcome.value, attempt) };
    } catch (thrown) {
      const error = toCogmeshError(thrown);
      return failure(error.code, `the output could not be stored: ${error.message}`, error.retryable);
    }
  }

  async #forget(placement: Placement): Promise<void> {
    await this.#options.attempts.remove([placement.id]);
    placement.settle();
    this.#end(placement);
  }

  #end({ id }: Placement): void {
    this.#placements.delete(id);
    this.#ledger.release(id);
    this.#offerWaiting();
  }

  #run(placement: Placement, step: () => Promise<void>): void {
    placement.next(step).catch((error: unknown) => {
      this.#options.logger.warn(
        { err: error, attempt: placement.id, agent: this.agentId },
        'relaying an attempt failed',
      );
      placement.fail(error);
      this.#end(placement);
    });
  }

  #trace({ attempt, receivedMs }: Placement, outcome: Outcome): void {
    if (attempt.traceparent === '') return;
    recordSpan({
      name: spanNames.relay,
      startMs: receivedMs,
      endMs: this.#options.clock.wallMs(),
      parent: attempt.traceparent,
      attributes: {
        [attributeNames.attemptId]: attempt.attemptId,
        [attributeNames.runId]: attempt.runId,
        [attributeNames.agentId]: attempt.agentId,
        [attributeNames.capability]: attempt.capability,
        [attributeNames.organisation]: attempt.organisation,
      },
      ...(outcome.case === 'error' ? { error: new Error(outcome.value.message ?? '') } : {}),
    });
  }
}

/** What the SDK calls `log` and `partial`: each says something of its own. */
const streamed = /^\{"(?:log|partial)":/;

function withWord(words: readonly string[], word: string): string[] {
  const kept = streamed.test(word) ? words : words.filter((earlier) => streamed.test(earlier));
  return [...kept, word].slice(-MAX_WORDS);
}
