/**
 * The task grant check of a service behind a sidecar: one long-lived stream to it, on which questions that come together travel in one
 * message. A question that a stream left unanswered is asked once more on the next one; then it fails as that stream did. Nothing is
 * decided here, and nothing is allowed without an answer.
 */
import type { policyV1 } from '@cogmesh/contracts';
import { CogmeshError, toCogmeshError } from '@cogmesh/errors';
import { Outgoing, type Client } from '@cogmesh/rpc';
import { grantDeadlineMs, grantMessageBytes, grantQuestionsMax, grantQuestionsPerMessage } from './limits.js';
import type { CheckTaskGrant, TaskGrantAnswer, TaskGrantQuestion } from './task-grants.js';
import { unsampledParent } from './unsampled.js';

/** How often one question is sent at most. */
const triesMax = 2;

/** Bytes of an attempt beside its id and capability, about. */
const attemptOverheadBytes = 80;

export interface SidecarGrantsOptions {
  readonly client: Pick<Client<typeof policyV1.EnforcementService>, 'checkTaskGrants'>;
  /** Milliseconds until a question fails with `timeout`. */
  readonly deadlineMs?: number;
  /** Questions unanswered at once; more are refused with `overloaded`. */
  readonly maxQuestions?: number;
}

type Requests = Parameters<SidecarGrantsOptions['client']['checkTaskGrants']>[0];
type Message = Requests extends AsyncIterable<infer M> ? M : never;

interface Stream {
  readonly outgoing: Outgoing<Message>;
  readonly cancel: AbortController;
}

interface Pending {
  readonly id: bigint;
  readonly question: TaskGrantQuestion;
  readonly bytes: number;
  readonly timer: NodeJS.Timeout;
  resolve(answer: TaskGrantAnswer): void;
  reject(error: CogmeshError): void;
  /** Where it was sent last. */
  stream?: Stream;
  tries: number;
}

export class SidecarGrants {
  readonly #options: Required<SidecarGrantsOptions>;
  readonly #pending = new Map<bigint, Pending>();
  #unsent: Pending[] = [];
  #stream: Stream | undefined;
  #lastId = 0n;
  #closed = false;

  constructor(options: SidecarGrantsOptions) {
    this.#options = { deadlineMs: grantDeadlineMs, maxQuestions: grantQuestionsMax, ...options };
  }

  /** Rejects with `unavailable` when the sidecar is away, `timeout` when it does not answer. */
  readonly check: CheckTaskGrant = (question) => {
    if (this.#closed) return Promise.reject(closing());
    const { deadlineMs, maxQuestions } = this.#options;
    if (this.#pending.size >= maxQuestions) {
      return Promise.reject(new CogmeshError('overloaded', `${maxQuestions} task grants wait to be checked`));
    }
    const { promise, resolve, reject } = Promise.withResolvers<TaskGrantAnswer>();
    const id = (this.#lastId += 1n);
    const timer = setTimeout(() => this.#expire(id), deadlineMs);
    const pending: Pending = { id, question, bytes: bytesOf(question), timer, resolve, reject, tries: 0 };
    this.#pending.set(id, pending);
    this.#ask([pending]);
    return promise;
  };

  /** Questions that have no answer yet fail with `unavailable`. */
  close(): void {
    this.#closed = true;
    for (const { id } of [...this.#pending.values()]) this.#take(id)?.reject(closing());
    this.#unsent = [];
    this.#stream?.outgoing.end();
    this.#stream?.cancel.abort();
  }

  /** Sent when the current turn of the event loop has said all it has to say. */
  #ask(questions: readonly Pending[]): void {
    if (questions.length === 0) return;
    if (this.#unsent.length === 0) queueMicrotask(() => this.#flush());
    this.#unsent.push(...questions);
  }

  #flush(): void {
    const waiting = this.#unsent.filter(({ id }) => this.#pending.has(id));
    this.#unsent = [];
    if (waiting.length === 0) return;
    const stream = (this.#stream ??= this.#open());
    for (const questions of messagesOf(waiting)) {
      for (const pending of questions) {
        pending.stream = stream;
        pending.tries += 1;
      }
      // A stream that takes no more is about to be lost, and its questions are asked again then.
      stream.outgoing.push({ questions: questions.map(toQuestion) });
    }
  }

  #open(): Stream {
    const stream: Stream = { outgoing: new Outgoing<Message>(), cancel: new AbortController() };
    void this.#read(stream);
    return stream;
  }

  async #read(stream: Stream): Promise<void> {
    const metadata = { traceparent: unsampledParent() };
    let why: unknown = new CogmeshError('unavailable', 'the sidecar ended the stream of grant checks');
    try {
      const { signal } = stream.cancel;
      for await (const { answers } of this.#options.client.checkTaskGrants(stream.outgoing, { metadata, signal })) {
        for (const { id, result } of answers) this.#answer(id, result);
      }
    } catch (thrown) {
      why = thrown;
    }
    this.#lose(stream, toCogmeshError(why));
  }

  #answer(id: bigint, result: policyV1.GrantVerdict | undefined): void {
    const pending = this.#take(id);
    if (pending === undefined) return;
    const {
      allowed = false,
      code = 'internal',
      reason = 'the sidecar gave an empty answer',
      refused = [],
    } = result ?? {};
    if (code === 'internal') pending.reject(new CogmeshError('internal', reason));
    else pending.resolve({ allowed, code, reason, ...(refused.length === 0 ? {} : { refused }) });
  }

  #lose(stream: Stream, error: CogmeshError): void {
    stream.outgoing.end();
    if (this.#stream === stream) this.#stream = undefined;
    const left = [...this.#pending.values()].filter((pending) => pending.stream === stream);
    for (const { id, tries } of left) if (tries >= triesMax) this.#take(id)?.reject(error);
    this.#ask(left.filter(({ tries }) => tries < triesMax));
  }

  /** A stream that keeps silent is given up with the question. */
  #expire(id: bigint): void {
    const pending = this.#take(id);
    if (pending === undefined) return;
    pending.reject(
      new CogmeshError('timeout', `the sidecar did not answer about a task grant in ${this.#options.deadlineMs} ms`),
    );
    pending.stream?.cancel.abort();
  }

  #take(id: bigint): Pending | undefined {
    const pending = this.#pending.get(id);
    if (pending === undefined) return undefined;
    this.#pending.delete(id);
    clearTimeout(pending.timer);
    return pending;
  }
}

function* messagesOf(questions: readonly Pending[]): Generator<Pending[]> {
  let message: Pending[] = [];
  let bytes = 0;
  for (const pending of questions) {
    const isFull = message.length === grantQuestionsPerMessage || bytes + pending.bytes > grantMessageBytes;
    if (isFull && message.length > 0) {
      yield message;
      message = [];
      bytes = 0;
    }
    message.push(pending);
    bytes += pending.bytes;
  }
  yield message;
}

function toQuestion({ id, question: { grantJws, agentId, attempts } }: Pending) {
  return { id, check: { grantJws, agentId, attempts: [...attempts] } };
}

function bytesOf({ grantJws, attempts }: TaskGrantQuestion): number {
  let bytes = grantJws.length;
  for (const { attemptId, capability } of attempts)
    bytes += attemptId.length + capability.length + attemptOverheadBytes;
  return bytes;
}

const closing = (): CogmeshError => new CogmeshError('unavailable', 'the enforcement of this service is closing');
