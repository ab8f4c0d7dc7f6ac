/**
 * A run's history from a sequence number, then live. The run is looked up first, so that a refusal or an unknown run is an
 * answer and not a broken stream. A watch holds one of its organisation's stream slots, and ends by itself after a while or with
 * the caller's token; the caller resumes it from the last sequence number.
 */
import { schedulerV1 } from '@cogmesh/contracts';
import { authorise } from './authority.js';
import type { Operation } from './operation.js';
import type { OperationPorts } from './ports.js';
import { runPath } from './resource-path.js';
import { right } from './right.js';

export interface WatchRunInput {
  readonly runId: string;
  /** 0 starts at the beginning. */
  readonly afterSequence: bigint;
}

export interface Watch {
  /** The run as it stood when the watch began. */
  readonly run: schedulerV1.Run | undefined;
  /** Takes a stream slot (`rate_limited` when there is none left); iterating to the end, or leaving early, gives it back. */
  readonly open: () => AsyncIterable<schedulerV1.RunEvent>;
}

type Ports = Pick<OperationPorts, 'decisions' | 'calls' | 'scheduler' | 'streams' | 'limits' | 'now'>;

export function watchRun(ports: Ports): Operation<WatchRunInput, Watch> {
  return async (request) => {
    const { runId, afterSequence } = request.input;
    const permission = await authorise(ports.decisions, request, [right('read', runPath(runId))]);
    const { getRun, watchRun: watch } = schedulerV1.SchedulerService.method;
    const scheduler = { audience: 'scheduler', permission } as const;
    const { run } = await ports.calls.call({
      ...scheduler,
      method: getRun,
      signal: request.signal,
      send: (options) => ports.scheduler.getRun({ runId }, options),
    });
    const lifeMs = Math.min(ports.limits.watchMs, Math.max(0, request.expiresAtMs - ports.now()));
    const begin = (signal: AbortSignal) =>
      ports.calls.call({
        ...scheduler,
        method: watch,
        signal,
        send: async (options) => begun(ports.scheduler.watchRun({ runId, afterSequence }, options)),
      });
    return {
      run,
      open: () => held(begin, ports.streams.take(request.subject.organisation), { caller: request.signal, lifeMs }),
    };
  };
}

interface Begun {
  readonly first: IteratorResult<schedulerV1.WatchRunResponse>;
  readonly rest: AsyncIterator<schedulerV1.WatchRunResponse>;
}

/** Waits for the first event, because a stream's refusal arrives in its place. */
async function begun(stream: AsyncIterable<schedulerV1.WatchRunResponse>): Promise<Begun> {
  const rest = stream[Symbol.asyncIterator]();
  return { first: await rest.next(), rest };
}

async function* held(
  begin: (signal: AbortSignal) => Promise<Begun>,
  release: () => void,
  until: { readonly caller: AbortSignal; readonly lifeMs: number },
): AsyncGenerator<schedulerV1.RunEvent> {
  const life = AbortSignal.timeout(until.lifeMs);
  let rest: Begun['rest'] | undefined;
  try {
    const started = await begin(AbortSignal.any([until.caller, life]));
    rest = started.rest;
    for (let result = started.first; result.done !== true; result = await rest.next()) {
      if (result.value.event !== undefined) yield result.value.event;
    }
  } catch (thrown) {
    // The end of its life is a watch's ordinary end.
    if (!life.aborted || until.caller.aborted) throw thrown;
  } finally {
    release();
    await rest?.return?.();
  }
}
