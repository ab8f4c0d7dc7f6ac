/** Claimed tasks as bus messages: one WorkBatch per target, with the one task grant that covers exactly its attempts. */
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { messageTo, type OutgoingMessage } from '@cogmesh/bus';
import { workV1 } from '@cogmesh/contracts';
import type { ServiceIdentity } from '@cogmesh/identity';
import { expiryGraceMs, type Publication, type Target } from '@cogmesh/scheduling-core';
import { submitterReader } from './submitter.js';
import type { MessageInitShape } from '@bufbuild/protobuf';

export type GrantMinter = Pick<ServiceIdentity, 'mintTaskGrant'>;

/** A claim with everything its message needs. */
export interface ClaimedWork extends Publication {
  /** Traceparent of the dispatch span. */
  readonly traceparent: string;
}

/** The contract's limit on one WorkBatch. */
const maxBatch = 100;
/** Bytes of inputs in one message; a single larger input travels alone. */
const maxBatchBytes = 4 * 1024 * 1024;
/** Characters of all submitters in one message's grant, which is a token of at most 256 KiB. */
const maxSubmitterChars = 48 * 1024;
/** A grant outlives the start by the task's own time and this much. */
const grantSlackMs = 60_000;

export const agentQueueName = (agentId: string): string => `agent.${agentId}.work`;

/** Groups by target, then cuts to the limits of one message. */
export function batchesOf<T extends ClaimedWork>(works: readonly T[]): T[][] {
  const byTarget = new Map<string, T[]>();
  for (const work of works) {
    const name = queueNameOf(work.target);
    const group = byTarget.get(name);
    if (group) group.push(work);
    else byTarget.set(name, [work]);
  }
  return [...byTarget.values()].flatMap(cut);
}

function cut<T extends ClaimedWork>(works: readonly T[]): T[][] {
  const batches: T[][] = [];
  let bytes = 0;
  let submitterChars = 0;
  const submitters = new Set<string>();
  for (const work of works) {
    const size = work.input.inputJson.length + (work.plan.script?.length ?? 0);
    const last = batches.at(-1);
    const who = work.run.submitter ?? '';
    const more = submitters.has(who) ? 0 : who.length;
    const fits = bytes + size <= maxBatchBytes && submitterChars + more <= maxSubmitterChars;
    if (last && last.length < maxBatch && fits) {
      last.push(work);
      bytes += size;
      submitterChars += more;
    } else {
      batches.push([work]);
      bytes = size;
      submitterChars = who.length;
      submitters.clear();
    }
    submitters.add(who);
  }
  return batches;
}

export const queueNameOf = (target: Target): string => target.queue ?? agentQueueName(target.agentId);

export async function workMessage(batch: readonly ClaimedWork[], minter: GrantMinter): Promise<OutgoingMessage> {
  const [first] = batch;
  if (!first) throw new RangeError('a work batch has at least one attempt');
  const grantJws = await mintFor(batch, first.target, minter);
  return messageTo({ queue: queueNameOf(first.target) }, workV1.WorkBatchSchema, { work: batch.map(workOf), grantJws });
}

function mintFor(works: readonly ClaimedWork[], target: Target, minter: GrantMinter): Promise<string> {
  const expiresAtMs = Math.max(...works.map(({ row, plan }) => (row.dueAt ?? 0) + plan.timeoutMs)) + grantSlackMs;
  const submitterOf = submitterReader();
  const attempts = works.map(({ row, target: { capability }, input, run }) => {
    const submitter = submitterOf(run.submitter);
    return {
      attemptId: row.attemptId,
      capability,
      inputSha256: input.inputSha256,
      blobs: input.blobs,
      organisation: row.organisation,
      ...(submitter === undefined ? {} : { submitter }),
    };
  });
  const bearer = target.queue === undefined ? { agent: target.agentId } : { queue: target.queue };
  return minter.mintTaskGrant({ ...bearer, attempts, expiresAtMs });
}

function workOf(work: ClaimedWork): MessageInitShape<typeof workV1.WorkSchema> {
  const { row, plan, target, input, traceparent } = work;
  return {
    attemptId: row.attemptId,
    runId: row.runId,
    taskId: row.taskId,
    ...(row.itemIndex < 0 ? {} : { index: row.itemIndex }),
    organisation: row.organisation,
    capability: target.capability,
    inputJson: input.inputJson,
    script: plan.script ?? '',
    timeoutMs: plan.timeoutMs,
    notAfter: timestampFromMs((row.dueAt ?? expiryGraceMs) - expiryGraceMs),
    traceparent,
    attempt: row.attempt + 1,
    priority: row.priority,
  };
}
