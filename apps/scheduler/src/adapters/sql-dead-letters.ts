/** Messages that could not be processed, as rows that an administrator can read. Idempotent on the message's id. */
import type { DeadLetter } from '@cogmesh/bus';
import { nowMillis, sql, type Database } from '@cogmesh/database';

export interface StoredDeadLetter {
  readonly id: string;
  readonly queue: string;
  readonly reason: string;
  readonly messageType: string;
  readonly receivedAt: number;
  readonly bodyBase64: string;
}

export interface WholeDeadLetter extends StoredDeadLetter {
  /** As the broker authenticated it. */
  readonly sender: string;
  /** JSON object of texts. */
  readonly headers: string;
}

export class SqlDeadLetters {
  readonly #db: Database;
  readonly #newId: () => string;

  constructor(db: Database, newId: () => string) {
    this.#db = db;
    this.#newId = newId;
  }

  async store(letter: DeadLetter): Promise<void> {
    await this.#db.execute(sql`insert into dead_letters
      (id, message_id, queue, reason, message_type, sender, headers, body_base64, received_at)
      values (${this.#newId()}, ${letter.id}, ${letter.queue}, ${letter.reason}, ${letter.type}, ${letter.sender},
        ${JSON.stringify(letter.headers)}, ${Buffer.from(letter.body).toString('base64')}, ${nowMillis})
      on conflict (message_id) do nothing`);
  }

  /** Newest first; `before` is the last id of the page before. */
  list(limit: number, before: string | undefined): Promise<StoredDeadLetter[]> {
    const older = before === undefined ? sql`` : sql`where d.id < ${before}`;
    return this.#db.query(sql<StoredDeadLetter>`select d.id, d.queue, d.reason, d.message_type as "messageType",
      d.received_at as "receivedAt", d.body_base64 as "bodyBase64" from dead_letters d ${older} order by d.id desc limit ${limit}`);
  }

  async find(id: string): Promise<WholeDeadLetter | undefined> {
    const [letter] = await this.#db.query(sql<WholeDeadLetter>`select d.id, d.queue, d.reason,
      d.message_type as "messageType", d.received_at as "receivedAt", d.body_base64 as "bodyBase64", d.sender, d.headers from dead_letters d where d.id = ${id}`);
    return letter;
  }

  async remove(id: string): Promise<void> {
    await this.#db.execute(sql`delete from dead_letters where id = ${id}`);
  }
}
