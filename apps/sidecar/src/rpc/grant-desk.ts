/**
 * The sidecar's end of the streams on which its service has task grants checked. Messages are answered as their checks finish, so that a
 * slow one holds back nobody. A stream is ended after a while, so that its opener must show its token again, and when the sidecar stops;
 * what was not answered by then is asked again by the service.
 */
import type { policyV1 } from '@cogmesh/contracts';
import {
  grantQuestionsPerMessage,
  type CheckTaskGrant,
  type RefusedAttempt,
  type TaskGrantAnswer,
} from '@cogmesh/enforcement';
import { CogmeshError } from '@cogmesh/errors';
import { Outgoing } from '@cogmesh/rpc';
import type { Logger } from '@cogmesh/telemetry';
import { grantMessagesInWork, grantStreamMs } from './limits.js';

export interface GrantDeskOptions {
  readonly check: CheckTaskGrant;
  readonly logger: Logger;
  /** Milliseconds after which a stream is ended. */
  readonly streamMs?: number;
}

interface Answers {
  readonly answers: Answer[];
}

interface Answer {
  readonly id: bigint;
  readonly result: Omit<TaskGrantAnswer, 'refused'> & { refused?: RefusedAttempt[] };
}

export class GrantDesk {
  readonly #options: GrantDeskOptions;
  readonly #streams = new Set<GrantSession>();

  constructor(options: GrantDeskOptions) {
    this.#options = options;
  }

  /** The handler of CheckTaskGrants. */
  serve(requests: AsyncIterable<policyV1.CheckTaskGrantsRequest>, signal: AbortSignal): AsyncIterable<Answers> {
    const session = new GrantSession(this.#options);
    this.#streams.add(session);
    const timer = setTimeout(() => session.finish(), this.#options.streamMs ?? grantStreamMs);
    signal.addEventListener('abort', () => session.finish(), { once: true });
    void session.read(requests).finally(() => {
      clearTimeout(timer);
      this.#streams.delete(session);
    });
    return session.answers;
  }

  /** Ends every stream once what it was asked is answered. */
  close(): void {
    for (const session of this.#streams) session.finish();
  }
}

class GrantSession {
  readonly answers = new Outgoing<Answers>();
  readonly #options: GrantDeskOptions;
  readonly #inWork = new Set<Promise<void>>();
  #finishing = false;

  constructor(options: GrantDeskOptions) {
    this.#options = options;
  }

  async read(requests: AsyncIterable<policyV1.CheckTaskGrantsRequest>): Promise<void> {
    try {
      for await (const { questions } of requests) {
        if (this.#finishing) continue;
        if (questions.length > grantQuestionsPerMessage) throw tooMany(questions.length);
        this.#work(questions);
        if (this.#inWork.size >= grantMessagesInWork) await Promise.race(this.#inWork);
      }
      this.finish();
    } catch (thrown) {
      this.answers.fail(thrown);
    }
  }

  finish(): void {
    this.#finishing = true;
    if (this.#inWork.size === 0) this.answers.end();
  }

  #work(questions: readonly policyV1.TaskGrantQuestion[]): void {
    const work = Promise.all(questions.map((question) => this.#answer(question))).then((answers) => {
      this.answers.push({ answers });
      this.#inWork.delete(work);
      if (this.#finishing) this.finish();
    });
    this.#inWork.add(work);
  }

  async #answer({ id, check }: policyV1.TaskGrantQuestion): Promise<Answer> {
    if (check === undefined) return { id, result: refusal('invalid_argument', 'the question has no `check`') };
    try {
      const { grantJws, agentId, attempts } = check;
      const { refused = [], ...result } = await this.#options.check({ grantJws, agentId, attempts });
      return { id, result: { ...result, refused: [...refused] } };
    } catch (thrown) {
      this.#options.logger.error({ err: thrown }, 'a task grant could not be checked');
      return { id, result: refusal('internal', 'the check of the task grant failed in the sidecar') };
    }
  }
}

const refusal = (code: string, reason: string) => ({ allowed: false, code, reason });

const tooMany = (count: number): CogmeshError =>
  new CogmeshError('invalid_argument', `${count} questions in one message; at most ${grantQuestionsPerMessage}`);
