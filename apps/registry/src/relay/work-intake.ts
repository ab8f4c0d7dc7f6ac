/** Deliveries from the work queues of one SDK agent: who sent them, what they say, whether the grant covers it; then the relay. */
import { createHash } from 'node:crypto';
import { decode, type Delivery, type Handler, type Verdict } from '@cogmesh/bus';
import { workV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { refusalOf, type CheckTaskGrant } from '@cogmesh/enforcement';
import type { Logger } from '@cogmesh/telemetry';
import type { AgentRelay } from './agent-relay.js';

export interface WorkIntakeOptions {
  readonly relay: AgentRelay;
  readonly checkTaskGrant: CheckTaskGrant;
  readonly logger: Logger;
}

export function workIntake(options: WorkIntakeOptions): Handler {
  return (deliveries) => Promise.all(deliveries.map((delivery) => take(options, delivery)));
}

async function take({ relay, checkTaskGrant, logger }: WorkIntakeOptions, delivery: Delivery): Promise<Verdict> {
  const batch = readBatch(delivery, logger);
  if (batch === undefined) return 'dead';
  if (batch.work.length === 0) return 'ack';
  const { grantJws } = batch;
  const attempts = batch.work.map((work) => ({
    attemptId: work.attemptId,
    capability: work.capability,
    inputSha256: createHash('sha256').update(work.inputJson).digest('hex'),
  }));
  const answer = await checkTaskGrant({ grantJws, agentId: relay.agentId, attempts });
  await Promise.all(
    batch.work.map((work) => {
      const refusal = refusalOf(answer, work.attemptId);
      if (refusal === undefined) return relay.place(work, grantJws);
      const { code, reason } = refusal;
      logger.warn({ attempt: work.attemptId, code }, `work refused: ${reason}`);
      return code === 'stale_policy' ? relay.giveBack(work, code, reason) : relay.refuse(work, code, reason);
    }),
  );
  return 'ack';
}

/** Undefined for what is not work of the scheduler. */
function readBatch(delivery: Delivery, logger: Logger): workV1.WorkBatch | undefined {
  if (delivery.sender !== 'scheduler') {
    logger.warn({ message: delivery.id, sender: delivery.sender }, 'work from somebody who is not the scheduler');
    return undefined;
  }
  try {
    return decode(workV1.WorkBatchSchema, delivery);
  } catch (error) {
    if (!(error instanceof CogmeshError)) throw error;
    logger.warn({ message: delivery.id, err: error }, 'a work message that cannot be read');
    return undefined;
  }
}
