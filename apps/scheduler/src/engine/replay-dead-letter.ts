/** A dead letter goes to its queue once more; it leaves the list when the broker has it. Twice is harmless: consumers are idempotent. */
import type { Bus } from '@cogmesh/bus';
import { CogmeshError } from '@cogmesh/errors';
import type { SqlDeadLetters } from '../adapters/sql-dead-letters.js';

export interface ReplayContext {
  readonly bus: Bus;
  readonly deadLetters: SqlDeadLetters;
  /** Queues whose messages count only from certain services: a replay must not lend them our name. */
  readonly sendersOf: ReadonlyMap<string, readonly string[]>;
}

export async function replayDeadLetter({ bus, deadLetters, sendersOf }: ReplayContext, id: string): Promise<void> {
  const letter = await deadLetters.find(id);
  if (!letter) throw new CogmeshError('not_found', `there is no dead letter ${id}`);
  const { queue, sender, messageType: type } = letter;
  const allowed = sendersOf.get(queue);
  if (allowed && !allowed.includes(sender)) {
    const message = `it was sent by "${sender}", and ${queue} takes messages of ${allowed.join(', ')} only`;
    throw new CogmeshError('failed_precondition', message);
  }
  const headers = JSON.parse(letter.headers) as Record<string, string>;
  const body = new Uint8Array(Buffer.from(letter.bodyBase64, 'base64'));
  // Under a new id: should it die again, that is another letter and not lost with this one.
  await bus.publish([{ to: { queue }, type, body, headers }]);
  await deadLetters.remove(id);
}
