import { inferenceV1, registryV1, schedulerV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { implement, type CallContext, type ServiceBinding } from '@cogmesh/rpc';

/** Bytes of one streamed message. */
export const chunkBytes = 64 * 1024;
export const chunksPerStream = 800;

/** A service of every kind of call, which remembers what reached it. */
export class GuardedService {
  readonly calls: CallContext[] = [];
  /** Messages handed to the transport by the last WatchRun. */
  produced = 0;
  aborted = 0;
  #release: () => void = () => {};
  #held = new Promise<void>((resolve) => (this.#release = resolve));

  /** Lets calls that wait (run `held`) go on. */
  release(): void {
    this.#release();
    this.#held = new Promise((resolve) => (this.#release = resolve));
  }

  bindings(): ServiceBinding[] {
    return [this.#scheduler(), this.#inference(), this.#agents()];
  }

  #note(call: CallContext): void {
    this.calls.push(call);
    call.signal.addEventListener('abort', () => (this.aborted += 1));
  }

  #scheduler(): ServiceBinding {
    const notHere = () => Promise.reject(new CogmeshError('unimplemented', 'not in this test'));
    return implement(schedulerV1.SchedulerService, {
      submitRun: async ({ documentJson }, call) => {
        this.#note(call);
        if (documentJson === 'bad')
          throw new CogmeshError('invalid_run', 'a bad run: 100 % wrong — ü', {
            issues: [{ path: 'tasks[0]', code: 'x', message: 'y' }],
          });
        return { run: { id: `run_${documentJson.length}` } };
      },
      getRun: async ({ runId }, call) => {
        this.#note(call);
        if (runId === 'held')
          await Promise.race([this.#held, new Promise((resolve) => call.signal.addEventListener('abort', resolve))]);
        return { run: { id: runId } };
      },
      watchRun: (_request, call) => this.#stream(call),
      renewLeases: async (_request, call) => {
        this.#note(call);
        return {};
      },
      listRuns: notHere,
      cancelRun: notHere,
      getOutput: notHere,
      listDeadLetters: notHere,
      replayDeadLetter: notHere,
      retryRun: notHere,
      pauseRun: notHere,
      resumeRun: notHere,
      setPriority: notHere,
      signalTask: notHere,
      explainWaiting: notHere,
      listScopes: notHere,
      putScope: notHere,
      putSchedule: notHere,
      getSchedule: notHere,
      listSchedules: notHere,
      deleteSchedule: notHere,
      triggerSchedule: notHere,
      backfillSchedule: notHere,
      putWebhook: notHere,
      listWebhooks: notHere,
      deleteWebhook: notHere,
      listDeliveries: notHere,
    });
  }

  async *#stream(call: CallContext) {
    this.#note(call);
    this.produced = 0;
    for (; this.produced < chunksPerStream && !call.signal.aborted; this.produced += 1) {
      yield { event: { sequence: BigInt(this.produced + 1), dataJson: 'x'.repeat(chunkBytes) } };
    }
  }

  #inference(): ServiceBinding {
    return implement(inferenceV1.InferenceService, {
      infer: () => Promise.reject(new CogmeshError('unimplemented', 'not in this test')),
      inferStream: (requests, call) => this.#echo(requests, call),
    });
  }

  async *#echo(requests: AsyncIterable<inferenceV1.InferStreamRequest>, call: CallContext) {
    this.#note(call);
    for await (const { request } of requests)
      yield { outcome: { case: 'response' as const, value: { model: request?.model ?? '' } } };
  }

  #agents(): ServiceBinding {
    return implement(registryV1.AgentService, { connect: (requests, call) => this.#welcome(requests, call) });
  }

  async *#welcome(requests: AsyncIterable<registryV1.ConnectRequest>, call: CallContext) {
    this.#note(call);
    for await (const _ of requests) yield {};
  }
}
