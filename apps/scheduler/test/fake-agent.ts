/** A worker by contract: consumes its queue with the real messages and reports on the scheduler's queues. */
import { decode, messageTo, type Bus, type Consumer } from '@cogmesh/bus';
import { workV1 } from '@cogmesh/contracts';
import type { MessageInitShape } from '@bufbuild/protobuf';

export type ResultOutcome = NonNullable<MessageInitShape<typeof workV1.ResultSchema>['outcome']>;

export interface Received {
  readonly work: workV1.Work;
  readonly grantJws: string;
  readonly input: unknown;
}

/** Answers one piece of work; `silent` reports nothing at all, `started` only that it began. */
export type Behaviour = (
  received: Received,
) => Promise<ResultOutcome | 'silent' | 'started'> | ResultOutcome | 'silent' | 'started';

export const output = (value: unknown): ResultOutcome => ({ case: 'outputJson', value: JSON.stringify(value) });
export const failure = (code: string, retryable: boolean): ResultOutcome => ({
  case: 'error',
  value: { code, message: `it said ${code}`, retryable },
});

export class FakeAgent {
  readonly id: string;
  readonly received: Received[] = [];
  /** Attempts in progress now, and the most there ever were. */
  running = 0;
  mostRunning = 0;
  behaviour: Behaviour;
  readonly #bus: Bus;
  #consumer: Consumer | undefined;

  constructor(id: string, bus: Bus, behaviour: Behaviour) {
    this.id = id;
    this.#bus = bus;
    this.behaviour = behaviour;
  }

  async start(queueName = `agent.${this.id}.work`): Promise<void> {
    const queue = { name: queueName, kind: 'durable', expiresMs: 60_000 } as const;
    await this.#bus.declare({ queues: [queue] });
    const handle = async (delivery: Parameters<typeof decode>[1]): Promise<void> => {
      const batch = decode(workV1.WorkBatchSchema, delivery);
      await Promise.all(batch.work.map((work) => this.#handle(work, batch.grantJws)));
    };
    this.#consumer = await this.#bus.consume(queue, async (deliveries) => {
      await Promise.all(deliveries.map(handle));
      return deliveries.map(() => 'ack');
    });
  }

  async stop(): Promise<void> {
    await this.#consumer?.stop();
  }

  attemptsOf(taskId: string): string[] {
    return this.received.filter(({ work }) => work.taskId === taskId).map(({ work }) => work.attemptId);
  }

  async report(work: workV1.Work, outcome: ResultOutcome): Promise<void> {
    const { attemptId, runId } = work;
    await this.#bus.publish([
      messageTo({ queue: 'scheduler.results' }, workV1.ResultBatchSchema, {
        results: [{ attemptId, runId, agentId: this.id, outcome }],
      }),
    ]);
  }

  async reportStarted(work: workV1.Work): Promise<void> {
    const { attemptId, runId } = work;
    await this.#bus.publish([
      messageTo({ queue: 'scheduler.started' }, workV1.StartedBatchSchema, {
        started: [{ attemptId, runId, agentId: this.id }],
      }),
    ]);
  }

  async #handle(work: workV1.Work, grantJws: string): Promise<void> {
    const received = { work, grantJws, input: JSON.parse(work.inputJson) as unknown };
    this.received.push(received);
    this.running += 1;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    try {
      const answer = await this.behaviour(received);
      if (answer === 'silent') return;
      await this.reportStarted(work);
      if (answer !== 'started') await this.report(work, answer);
    } finally {
      this.running -= 1;
    }
  }
}
