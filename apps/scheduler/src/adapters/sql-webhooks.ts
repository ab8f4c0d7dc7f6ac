/** Webhooks of organisations, and the deliveries that wait. Taking a delivery moves its time on, so that no two senders take it. */
import { bulk, forUpdate, nowMillis, sql, type Database, type Statement } from '@cogmesh/database';
import type { DeliveryRow, WebhookRow } from '../model/webhook.js';

const webhookColumns = sql.raw('w.id, w.organisation, w.url, w.states, w.labels, w.secret, w.paused');
const deliveryColumns = sql.raw(
  `d.id, d.webhook_id as "webhookId", d.organisation, d.run_id as "runId", d.body, d.attempt, d.status, d.error,
  d.delivered, d.due_at as "dueAt"`,
);

/** A delivery with where it goes. */
export type WaitingDelivery = DeliveryRow & Pick<WebhookRow, 'url' | 'secret'>;

export interface DueDeliveries {
  readonly deliveries: readonly WaitingDelivery[];
  /** Milliseconds until the next one is due; undefined when none waits. */
  readonly nextInMs: number | undefined;
}

export interface Attempted {
  readonly status: number;
  readonly error: string;
  readonly delivered: boolean;
  /** Until it is tried again; undefined for never. */
  readonly againInMs: number | undefined;
}

export class SqlWebhooks {
  readonly #db: Database;
  readonly #now: () => Statement<number>;

  constructor(db: Database, now: () => Statement<number> = () => nowMillis) {
    this.#db = db;
    this.#now = now;
  }

  async create(webhook: WebhookRow, createdBy: string): Promise<void> {
    const { id, organisation, url, states, labels, secret, paused } = webhook;
    await this.#db.execute(sql`insert into webhooks (id, organisation, url, states, labels, secret, paused, created_by,
      created_at) values (${id}, ${organisation}, ${url}, ${states}, ${labels}, ${secret}, ${paused}, ${createdBy},
      ${this.#now()})`);
  }

  /** All but its secret. False when the organisation has no such webhook. */
  async replace({ id, organisation, url, states, labels, paused }: Omit<WebhookRow, 'secret'>): Promise<boolean> {
    const replaced = await this.#db.execute(sql`update webhooks set url = ${url}, states = ${states},
      labels = ${labels}, paused = ${paused} where id = ${id} and organisation = ${organisation}`);
    return replaced > 0;
  }

  list(organisation: string): Promise<WebhookRow[]> {
    return this.#db.query(
      sql<WebhookRow>`select ${webhookColumns} from webhooks w where w.organisation = ${organisation} order by w.id desc`,
    );
  }

  /** With its deliveries. False when the organisation has no such webhook. */
  delete(id: string, organisation: string): Promise<boolean> {
    return this.#db.transaction(async (tx) => {
      // Waits for runs that end now, and lets no further one tell it.
      const locked = await tx.query(sql`select w.id from webhooks w
        where w.id = ${id} and w.organisation = ${organisation} ${forUpdate(tx.dialect)}`);
      if (locked.length === 0) return false;
      await tx.execute(sql`delete from webhook_deliveries where webhook_id = ${id}`);
      await tx.execute(sql`delete from webhooks where id = ${id}`);
      return true;
    });
  }

  /** Newest first. */
  deliveries(webhookId: string, organisation: string, page: { limit: number; before: string | undefined }) {
    const older = page.before === undefined ? sql`` : sql`and d.id < ${page.before}`;
    return this.#db.query(sql<DeliveryRow>`select ${deliveryColumns} from webhook_deliveries d
      where d.webhook_id = ${webhookId} and d.organisation = ${organisation} ${older}
      order by d.id desc limit ${page.limit}`);
  }

  /** What may be sent now, of webhooks that are not paused and organisations that are not `busy`. */
  async due(limit: number, busy: readonly string[]): Promise<DueDeliveries> {
    const excluded = bulk(
      this.#db.dialect,
      busy.map((organisation) => ({ organisation })),
      { organisation: 'text' },
    );
    const waiting = sql`from webhook_deliveries d join webhooks w on w.id = d.webhook_id
      where d.due_at is not null and w.paused = 0
      and d.organisation not in (select organisation from ${excluded} as busy)`;
    const [clock] = await this.#db.query(
      sql<{
        now: number;
        next: number | null;
      }>`select ${this.#now()} as now, (select min(d.due_at) ${waiting}) as next`,
    );
    const now = clock?.now ?? 0;
    const next = clock?.next ?? undefined;
    if (next === undefined || next > now) return { deliveries: [], nextInMs: next && next - now };
    const deliveries = await this.#db.query(sql<WaitingDelivery>`select ${deliveryColumns}, w.url, w.secret ${waiting}
      and d.due_at <= ${now} order by d.due_at, d.id limit ${limit}`);
    return { deliveries, nextInMs: 0 };
  }

  /** The time of the attempt, or undefined when somebody else took it. Nobody else takes it for `heldMs`. */
  async take({ id, attempt }: DeliveryRow, heldMs: number): Promise<number | undefined> {
    const [taken] = await this.#db.query(sql<{ now: number }>`update webhook_deliveries
      set attempt = attempt + 1, due_at = ${this.#now()} + ${heldMs}
      where id = ${id} and attempt = ${attempt} and due_at is not null returning ${this.#now()} as now`);
    return taken?.now;
  }

  async attempted({ id }: DeliveryRow, { status, error, delivered, againInMs }: Attempted): Promise<void> {
    const dueAt = againInMs === undefined ? sql`null` : sql`${this.#now()} + ${againInMs}`;
    await this.#db.execute(sql`update webhook_deliveries set status = ${status}, error = ${error},
      delivered = ${delivered ? 1 : 0}, due_at = ${dueAt} where id = ${id}`);
  }
}
