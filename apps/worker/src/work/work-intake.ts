/**
 * Deliveries from the work queues: who sent them, what they say, whether the grant covers them; then each attempt once.
 * A delivery is acknowledged when every attempt's result is with the broker, or, where that would outlast the broker's
 * patience, when the start is: from there the lease guards the work.
 */
import { createHash } from 'node:crypto';
import { timestampMs } from '@bufbuild/protobuf/wkt';
import { decode, type Delivery, type Handler, type Verdict } from '@cogmesh/bus';
import { workV1 } from '@cogmesh/contracts';
import { refusalOf, type CheckTaskGrant, type TaskGrantAnswer } from '@cogmesh/enforcement';
import { CogmeshError, isErrorCode } from '@cogmesh/errors';
import type { TaskGrantClaims } from '@cogmesh/identity';
import {
  attributeNames,
  currentTraceparent,
  failSpan,
  recordSpan,
  spanNames,
  withSpan,
  type Logger,
  type SpanOptions,
} from '@cogmesh/telemetry';
import type { BatchStart } from '../inference/model-book.js';
import type { AttemptBook, HeldAttempt } from './attempt-book.js';
import type { Report, ResultInit } from './report.js';
import { startedAt, type AttemptRunner, type GrantedWork } from './run-attempt.js';

/** Work that may take longer is acknowledged at its start, milliseconds. */
const longWorkMs = 120_000;

export interface WorkIntakeOptions {
  readonly agentId: string;
  readonly attempts: AttemptBook;
  readonly runner: AttemptRunner;
  readonly report: Report;
  readonly checkTaskGrant: CheckTaskGrant;
  /** Reads a grant that was checked, for the blobs it lists. */
  readonly readGrant: (grantJws: string) => Promise<TaskGrantClaims>;
  readonly isDraining: () => boolean;
  readonly logger: Logger;
}

export function workIntake(options: WorkIntakeOptions): Handler {
  return (deliveries) => Promise.all(deliveries.map((delivery) => take(options, delivery)));
}

async function take(options: WorkIntakeOptions, delivery: Delivery): Promise<Verdict> {
  const batch = readBatch(delivery, options.logger);
  if (batch === undefined) return 'dead';
  const granted = await checkGrant(options, batch);
  await Promise.all(
    batch.work.map((work) => {
      const started = Promise.withResolvers<void>();
      const done = options.attempts.once(work.attemptId, (held) => perform(options, { work, granted, held, started }));
      return work.timeoutMs > longWorkMs ? Promise.race([done, started.promise]) : done;
    }),
  );
  return 'ack';
}

/** Undefined for what is not work of the scheduler: it ends as a dead letter. */
function readBatch(delivery: Delivery, logger: Logger): workV1.WorkBatch | undefined {
  if (delivery.sender !== 'scheduler') {
    logger.warn({ message: delivery.id, sender: delivery.sender }, 'work from somebody who is not the scheduler');
    return undefined;
  }
  try {
    return decode(workV1.WorkBatchSchema, delivery);
  } catch (thrown) {
    logger.warn({ message: delivery.id, err: thrown }, 'a work message that cannot be read');
    return undefined;
  }
}

/** What was said about the grant, and the blobs that each attempt may read. */
interface Granted {
  readonly grantJws: string;
  readonly answer: TaskGrantAnswer;
  readonly blobs: ReadonlyMap<string, ReadonlySet<string>>;
}

async function checkGrant(
  { checkTaskGrant, readGrant, agentId }: WorkIntakeOptions,
  batch: workV1.WorkBatch,
): Promise<Granted> {
  const { grantJws } = batch;
  if (batch.work.length === 0)
    return { grantJws, answer: { allowed: true, code: 'allowed', reason: 'no work' }, blobs: new Map() };
  const attempts = batch.work.map(({ attemptId, capability, inputJson }) => ({
    attemptId,
    capability,
    inputSha256: createHash('sha256').update(inputJson).digest('hex'),
  }));
  const answer = await checkTaskGrant({ grantJws, agentId, attempts });
  // Where a part is refused, the grant is still good for the rest.
  const isGood = answer.allowed || (answer.refused?.length ?? 0) > 0;
  if (!isGood) return { grantJws, answer, blobs: new Map() };
  const claims = await readGrant(grantJws);
  return {
    grantJws,
    answer,
    blobs: new Map(claims.attempts.map(({ attemptId, blobs }) => [attemptId, new Set(blobs)])),
  };
}

interface Performance {
  readonly work: workV1.Work;
  readonly granted: Granted;
  readonly held: HeldAttempt;
  readonly started: PromiseWithResolvers<void>;
}

async function perform(options: WorkIntakeOptions, { work, granted, held, started }: Performance): Promise<void> {
  const { runner, report, logger } = options;
  const early = whyNot(options, work, granted);
  if (early !== undefined) return report.result(early);
  const parent = work.traceparent === '' ? undefined : work.traceparent;
  await withSpan(spanNames.runTask, { parent, attributes: attributesOf(options.agentId, work) }, async (span) => {
    const attemptSpan = currentTraceparent();
    const onStarted = (start: BatchStart): void => {
      noteBatch(span, attemptSpan, start);
      const { attemptId, runId } = work;
      const message = { attemptId, runId, agentId: options.agentId, startedAt: startedAt(Date.now()) };
      report.started(message).then(started.resolve, (thrown: unknown) => {
        logger.warn({ attempt: attemptId, err: thrown }, 'the start of an attempt could not be reported');
      });
    };
    const grantedWork: GrantedWork = {
      work,
      grantJws: granted.grantJws,
      blobs: granted.blobs.get(work.attemptId) ?? new Set(),
    };
    const result = await runner.run(grantedWork, held, onStarted);
    noteOutcome(span, result);
    await report.result(result);
  });
}

/** The result of work that must not run: refused, stale, draining or too late. */
function whyNot(
  { runner, isDraining, logger }: WorkIntakeOptions,
  work: workV1.Work,
  granted: Granted,
): ResultInit | undefined {
  const refusal = refusalOf(granted.answer, work.attemptId);
  if (refusal !== undefined) {
    const { code, reason } = refusal;
    logger.warn({ attempt: work.attemptId, code }, `work refused: ${reason}`);
    const again = code === 'stale_policy' || code === 'unavailable' || code === 'timeout';
    if (again) return runner.returned(work, 'stale_policy', reason);
    return runner.refused(work, new CogmeshError(isErrorCode(code) ? code : 'invalid_grant', reason));
  }
  if (isDraining()) return runner.returned(work, 'draining', 'the worker is draining');
  if (work.notAfter && timestampMs(work.notAfter) <= Date.now())
    return runner.returned(work, 'expired', 'it arrived after its time');
  return undefined;
}

function attributesOf(agentId: string, work: workV1.Work): NonNullable<SpanOptions['attributes']> {
  return {
    [attributeNames.agentId]: agentId,
    [attributeNames.attemptId]: work.attemptId,
    [attributeNames.attempt]: work.attempt,
    [attributeNames.capability]: work.capability,
    [attributeNames.organisation]: work.organisation,
    [attributeNames.runId]: work.runId,
    [attributeNames.taskId]: work.taskId,
    ...(work.index === undefined ? {} : { [attributeNames.taskIndex]: work.index }),
  };
}

type Span = Parameters<Parameters<typeof withSpan>[2]>[0];

function noteBatch(span: Span, parent: string | undefined, start: BatchStart): void {
  const attributes = {
    [attributeNames.batchSize]: start.batchSize,
    [attributeNames.engine]: start.engine,
    [attributeNames.queueWaitMs]: Math.round(start.queueMs),
  };
  span.setAttributes(attributes);
  recordSpan({ name: spanNames.batch, parent, startMs: Date.now() - start.queueMs, endMs: Date.now(), attributes });
}

function noteOutcome(span: Span, { outcome, timing }: ResultInit): void {
  if (timing?.modelVersion) span.setAttribute(attributeNames.modelVersion, timing.modelVersion);
  if (timing?.variant) span.setAttribute(attributeNames.modelVariant, timing.variant);
  if (outcome?.case === 'error') {
    const { code = '', message = '' } = outcome.value;
    failSpan(span, new CogmeshError(isErrorCode(code) ? code : 'internal', message));
  }
}
