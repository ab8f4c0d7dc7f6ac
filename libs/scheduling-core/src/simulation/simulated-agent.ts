/**
 * An agent: takes work from its own queue and from shared ones, runs as many at once as it has credits, reports by the bus,
 * says every two seconds what it holds, stops what it is told to stop. It does what the input asks of it, so that a reader
 * of the input knows what may have come out.
 */
import type { SeededRandom } from './seeded-random.js';
import type { SimulatedBus } from './simulated-bus.js';
import type { SimulatedProcess } from './process.js';
import { valueOf, type AgentInput } from './agent-input.js';
import {
  resultsQueueOf, startedQueueOf, workQueueOf, type ReportedOutcome, type SimulatedMessage, type SimulatedWork,
} from './messages.js'; // prettier-ignore
import type { Observations } from './observations.js';

export interface AgentOptions {
  readonly id: string;
  readonly process: SimulatedProcess;
  readonly bus: SimulatedBus<SimulatedMessage>;
  readonly random: SeededRandom;
  readonly observed: Observations;
  /** Work of each capability at once. */
  readonly credits: ReadonlyMap<string, number>;
  readonly labels: Readonly<Record<string, string>>;
  /** Shared queues it reads besides its own. */
  readonly sharedQueues: readonly string[];
  /** Part of the work that is handed back unstarted. */
  readonly returns: number;
  /** It forgets what it has seen: work that comes twice is done twice. */
  readonly isForgetful: boolean;
}

interface Running {
  readonly work: SimulatedWork;
  readonly cancel: () => void;
}

/** How long a report waits before it is sent again, milliseconds. */
const sendAgainMs = 500;

export class SimulatedAgent {
  readonly options: AgentOptions;
  readonly #running = new Map<string, Running>();
  readonly #waiting: SimulatedWork[] = [];
  readonly #seen = new Set<string>();
  readonly #leaves: (() => void)[] = [];
  #isDraining = false;

  constructor(options: AgentOptions) {
    this.options = options;
    const { process, bus, id, sharedQueues } = options;
    for (const name of [workQueueOf(id), ...sharedQueues]) {
      this.#leaves.push(bus.consume(process, name, { handler: (message) => this.#take(message), prefetch: 64 }));
    }
  }

  get id(): string {
    return this.options.id;
  }

  get isAlive(): boolean {
    return this.options.process.life !== 'dead';
  }

  get isIdle(): boolean {
    return this.#running.size + this.#waiting.length === 0;
  }

  /** What it would name in a heartbeat. */
  held(): SimulatedWork[] {
    return [...[...this.#running.values()].map(({ work }) => work), ...this.#waiting];
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** Everything it holds is gone, and so is its queue. */
  crash(): void {
    this.options.process.kill();
    this.#running.clear();
    this.leave();
  }

  /** Takes no more, hands back what it has not started, finishes the rest. */
  drain(): void {
    this.#isDraining = true;
    for (const work of this.#waiting.splice(0)) this.#report(work, { case: 'returned' });
  }

  leave(): void {
    for (const leave of this.#leaves.splice(0)) leave();
    this.options.bus.remove(workQueueOf(this.id));
  }

  /** Nobody wants this attempt any more. */
  stop(attemptId: string): void {
    this.options.observed.stopped(attemptId);
    this.#running.get(attemptId)?.cancel();
    this.#running.delete(attemptId);
    const at = this.#waiting.findIndex((work) => work.attemptId === attemptId);
    if (at >= 0) this.#waiting.splice(at, 1);
    this.#startMore();
  }

  #take(message: SimulatedMessage): Promise<void> {
    if (message.kind !== 'work') return Promise.resolve();
    const { random, isForgetful, returns } = this.options;
    for (const work of message.works) {
      if (this.#seen.has(work.attemptId) && !isForgetful) continue;
      this.#seen.add(work.attemptId);
      if (this.#isDraining || random.chance(returns)) this.#report(work, { case: 'returned' });
      else this.#waiting.push(work);
    }
    this.#startMore();
    return Promise.resolve();
  }

  #startMore(): void {
    const busy = new Map<string, number>();
    for (const { work } of this.#running.values()) busy.set(work.capability, (busy.get(work.capability) ?? 0) + 1);
    for (const work of this.#waiting.splice(0)) {
      const inUse = busy.get(work.capability) ?? 0;
      if (inUse >= (this.options.credits.get(work.capability) ?? 1)) this.#waiting.push(work);
      else if (work.notAfter >= this.options.process.clock.now() && !this.#running.has(work.attemptId)) {
        busy.set(work.capability, inUse + 1);
        this.#start(work);
      }
    }
  }

  #start(work: SimulatedWork): void {
    const { process, observed, id } = this.options;
    const { runId, attemptId } = work;
    const input = JSON.parse(work.inputJson) as AgentInput;
    const earlier = observed.started({ ...work, agentId: id });
    const { outcome, ms } = this.#fate(input, work, earlier);
    const started = { runId, attemptId, agentId: id };
    void this.#send(startedQueueOf(work.shard), { kind: 'started', reports: [started] });
    const cancel = process.clock.after(ms, () => {
      this.#running.delete(attemptId);
      this.#report(work, outcome);
      this.#startMore();
    });
    this.#running.set(attemptId, { work, cancel });
  }

  /** `earlier`: attempts of this task that were started before. */
  #fate(
    input: AgentInput,
    work: SimulatedWork,
    earlier: number,
  ): { readonly outcome: ReportedOutcome; readonly ms: number } {
    const { random } = this.options;
    const ms = Math.max(1, Math.round(input.runMs * (0.5 + random.next())));
    const failure = (code: string, retryable: boolean) => ({
      outcome: { case: 'error', code, retryable } as const,
      ms,
    });
    if (input.does === 'never') return failure('engine_crashed', true);
    if (input.does === 'broken') return failure('broken', false);
    if (input.does === 'flaky' && random.chance(0.5)) return failure('unavailable', true);
    const v = valueOf(input);
    const list = Array.from({ length: v % 4 }, (_, index) => v + index);
    const json = JSON.stringify({ v, by: work.attemptId, list });
    const isStuck = input.does === 'stuck' && earlier === 0;
    return { outcome: { case: 'output', json }, ms: isStuck ? 120_000 : ms };
  }

  #report({ runId, attemptId, shard }: SimulatedWork, outcome: ReportedOutcome): void {
    const result = { runId, attemptId, agentId: this.id, outcome };
    this.options.observed.reported(result);
    void this.#send(resultsQueueOf(shard), { kind: 'results', reports: [result] });
  }

  /** Until the broker has it. */
  async #send(queue: string, message: SimulatedMessage): Promise<void> {
    const { bus, process } = this.options;
    for (;;) {
      try {
        return await bus.publish(process, queue, message);
      } catch {
        await new Promise<void>((resolve) => process.clock.after(sendAgainMs, resolve));
      }
    }
  }
}
