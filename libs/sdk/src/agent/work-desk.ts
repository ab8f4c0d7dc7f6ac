/**
 * What the agent has taken on, independent of any one connection: attempts that run, and results until the registry has
 * accepted them. A new connection hears of all of it again, so neither side loses or doubles an attempt when a stream breaks.
 */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampDate, timestampNow } from '@bufbuild/protobuf/wkt';
import type { registryV1, workV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { Attempt, type AttemptPorts, type ResultInit } from './attempt.js';
import type { ServedTool } from './handler.js';
import { PortraitPainter } from './portrait.js';

export type Message = NonNullable<MessageInitShape<typeof registryV1.ConnectRequestSchema>['message']>;

/** Short work is told by its result alone, milliseconds. */
const tellStartAfterMs = 5;

export interface DeskOptions {
  readonly tools: ReadonlyMap<string, ServedTool>;
  readonly blob: AttemptPorts['blob'];
  /** Sends now, or does nothing while there is no connection: everything that matters is offered again. */
  readonly send: (message: Message) => void;
}

interface Running {
  readonly work: workV1.Work;
  readonly attempt: Attempt;
  readonly startedAt: ReturnType<typeof timestampNow>;
}

export class WorkDesk {
  readonly portrait = new PortraitPainter();
  readonly #options: DeskOptions;
  readonly #running = new Map<string, Running>();
  readonly #unaccepted = new Map<string, ResultInit>();
  readonly #idle = new Set<() => void>();
  /** Running attempts whose start has not been told yet. */
  readonly #untold = new Set<Running>();
  #tellStarts: NodeJS.Timeout | undefined;
  #draining = false;

  constructor(options: DeskOptions) {
    this.#options = options;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** Attempts whose leases must be renewed. */
  get attemptIds(): string[] {
    return [...this.#running.keys(), ...this.#unaccepted.keys()];
  }

  /** Work arrived, possibly again. */
  take(work: workV1.Work): void {
    const { attemptId } = work;
    const result = this.#unaccepted.get(attemptId);
    const running = this.#running.get(attemptId);
    if (result) this.#options.send({ case: 'result', value: result });
    else if (running) this.#sendStarted(running);
    else this.#takeNew(work);
  }

  /** Says everything again that a broken connection may have swallowed. */
  repeat(): void {
    for (const running of this.#running.values()) this.#sendStarted(running);
    for (const result of this.#unaccepted.values()) this.#options.send({ case: 'result', value: result });
  }

  accepted(attemptId: string): void {
    this.#unaccepted.delete(attemptId);
    this.#tellIfIdle();
  }

  cancel(attemptIds: readonly string[], reason: string): void {
    for (const id of attemptIds) {
      this.#running.get(id)?.attempt.abort(new CogmeshError('cancelled', reason || 'the attempt was cancelled'));
    }
  }

  drain(): void {
    this.#draining = true;
  }

  abortAll(reason: CogmeshError): void {
    for (const { attempt } of this.#running.values()) attempt.abort(reason);
  }

  /** Resolves when nothing runs and every result is accepted. */
  whenIdle(): Promise<void> {
    return new Promise((resolve) => {
      this.#idle.add(resolve);
      this.#tellIfIdle();
    });
  }

  #takeNew(work: workV1.Work): void {
    const { attemptId, runId, capability, notAfter } = work;
    const tool = this.#options.tools.get(capability);
    if (this.#draining) return this.#return(work, 'draining', 'the agent is stopping');
    if (notAfter && timestampDate(notAfter).getTime() < Date.now())
      return this.#return(work, 'expired', 'it came too late');
    if (!tool) return this.#return(work, 'overloaded', `this agent does not serve ${capability}`);
    const progress = (dataJson: string) => {
      // Nobody listens to work that has not been said to have begun.
      if (this.#untold.delete(running)) this.#sendStarted(running);
      this.#options.send({ case: 'progress', value: { attemptId, runId, dataJson } });
    };
    const attempt = new Attempt(work, { progress, blob: this.#options.blob });
    const running: Running = { work, attempt, startedAt: timestampNow() };
    this.#running.set(attemptId, running);
    this.portrait.started();
    this.#tellStartSoon(running);
    void attempt.run(tool.handler).then((result) => {
      this.#untold.delete(running);
      this.portrait.ended(result.timing?.computeMs ?? 0);
      this.#finish(attemptId, result);
    });
  }

  #return({ attemptId, runId }: workV1.Work, code: string, reason: string): void {
    this.#offer({ attemptId, runId, outcome: { case: 'returned', value: { code, reason } } });
  }

  #finish(attemptId: string, result: ResultInit): void {
    this.#running.delete(attemptId);
    this.#offer(result);
  }

  #offer(result: ResultInit): void {
    this.#unaccepted.set(result.attemptId ?? '', result);
    this.#options.send({ case: 'result', value: result });
  }

  #tellStartSoon(running: Running): void {
    this.#untold.add(running);
    this.#tellStarts ??= setTimeout(() => {
      this.#tellStarts = undefined;
      for (const each of this.#untold) this.#sendStarted(each);
      this.#untold.clear();
    }, tellStartAfterMs);
  }

  #sendStarted({ work: { attemptId, runId }, startedAt }: Running): void {
    this.#options.send({ case: 'started', value: { attemptId, runId, startedAt } });
  }

  #tellIfIdle(): void {
    if (this.#running.size > 0 || this.#unaccepted.size > 0) return;
    for (const resolve of this.#idle) resolve();
    this.#idle.clear();
  }
}
