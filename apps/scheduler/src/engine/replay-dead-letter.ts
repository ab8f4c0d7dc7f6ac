/**
 * A dead letter is handled once more. One of a queue of ours goes straight to its handler, still under the name of whoever
 * sent it: published again it would come from us, and reports of ours must not count. Any other goes to its queue. It
 * leaves the list when it was handled or the broker has it; twice is harmless, since consumers are idempotent.
 */
import type { Bus, Handler } from '@cogmesh/bus';
import { CogmeshError } from '@cogmesh/errors';
import type { SqlDeadLetters, WholeDeadLetter } from '../adapters/sql-dead-letters.js';

export interface ReplayContext {
  readonly bus: Bus;
  readonly deadLetters: SqlDeadLetters;
  /** Of the queues this service consumes itself, by queue. */
  readonly handlers: ReadonlyMap<string, Handler>;
}

/** `not_found`; `failed_precondition` when it is refused again, and then it stays. */
export async function replayDeadLetter({ bus, deadLetters, handlers }: ReplayContext, id: string): Promise<void> {
  const letter = await deadLetters.find(id);
  if (!letter) throw new CogmeshError('not_found', `there is no dead letter ${id}`);
  const handler = handlers.get(letter.queue);
  if (handler) await handleAgain(handler, letter);
  // Under a new id: should it die again, that is another letter and not lost with this one.
  else await bus.publish([{ to: { queue: letter.queue }, ...contentOf(letter) }]);
  await deadLetters.remove(id);
}

const contentOf = ({ messageType, headers, bodyBase64 }: WholeDeadLetter) => ({
  type: messageType,
  body: new Uint8Array(Buffer.from(bodyBase64, 'base64')),
  headers: JSON.parse(headers) as Record<string, string>,
});

async function handleAgain(handler: Handler, letter: WholeDeadLetter): Promise<void> {
  const { id, queue, sender } = letter;
  const delivery = { id, routingKey: queue, sender, redelivered: true, ...contentOf(letter) };
  const [verdict] = await handler([delivery]);
  if (verdict === 'ack') return;
  throw new CogmeshError('failed_precondition', `${queue} does not take this message of "${sender}": ${letter.reason}`);
}
