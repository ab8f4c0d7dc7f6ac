import { bulk, sql, type Database } from '@cogmesh/database';
import type { RelayedAttempt, RelayedAttempts } from '../relay/relayed-attempt.js';
import { Together } from '../relay/together.js';

const columns = {
  attempt_id: 'text',
  agent_id: 'text',
  run_id: 'text',
  organisation: 'text',
  capability: 'text',
  grant_jws: 'text',
  traceparent: 'text',
  started_at: 'bigint',
} as const;
const columnList = sql.raw(Object.keys(columns).join(', '));

/** Rows of one statement. */
const maxRows = 500;

interface AttemptRow {
  readonly attempt_id: string;
  readonly agent_id: string;
  readonly run_id: string;
  readonly organisation: string;
  readonly capability: string;
  readonly grant_jws: string;
  readonly traceparent: string;
  readonly started_at: number;
}

/** Started attempts of SDK agents in SQL; those that start or end together are written together. */
export class SqlRelayedAttempts implements RelayedAttempts {
  readonly #database: Database;
  readonly #adding = new Together<RelayedAttempt>({ maxItems: maxRows, write: (attempts) => this.#insert(attempts) });
  readonly #removing = new Together<string>({ maxItems: maxRows, write: (ids) => this.#delete(ids) });

  constructor(database: Database) {
    this.#database = database;
  }

  add(attempt: RelayedAttempt): Promise<void> {
    return this.#adding.write(attempt);
  }

  async remove(attemptIds: readonly string[]): Promise<void> {
    await Promise.all(attemptIds.map((id) => this.#removing.write(id)));
  }

  async #insert(attempts: readonly RelayedAttempt[]): Promise<void> {
    const rows = bulk(this.#database.dialect, attempts.map(toRow), columns);
    // `where true` tells SQLite that ON CONFLICT does not belong to a join.
    await this.#database.execute(sql`insert into relayed_attempts (${columnList}) select ${columnList} from ${rows} as r
      where true on conflict (attempt_id) do nothing`);
  }

  async #delete(ids: readonly string[]): Promise<void> {
    const rows = ids.map((attempt_id) => ({ attempt_id }));
    const gone = bulk(this.#database.dialect, rows, { attempt_id: 'text' });
    await this.#database.execute(
      sql`delete from relayed_attempts where attempt_id in (select attempt_id from ${gone} as gone)`,
    );
  }

  async ofAgent(agentId: string): Promise<readonly RelayedAttempt[]> {
    const rows = await this.#database.query<AttemptRow>(
      sql`select attempt_id, agent_id, run_id, organisation, capability, grant_jws, traceparent, started_at
        from relayed_attempts where agent_id = ${agentId} order by started_at, attempt_id`,
    );
    return rows.map((row) => ({
      attemptId: row.attempt_id,
      agentId: row.agent_id,
      runId: row.run_id,
      organisation: row.organisation,
      capability: row.capability,
      grantJws: row.grant_jws,
      traceparent: row.traceparent,
      startedAtMs: row.started_at,
    }));
  }

  async removeAgents(agentIds: readonly string[]): Promise<void> {
    if (agentIds.length === 0) return;
    await this.#database.execute(sql`delete from relayed_attempts where agent_id in (${sql.join([...agentIds])})`);
  }
}

function toRow(attempt: RelayedAttempt): AttemptRow {
  return {
    attempt_id: attempt.attemptId,
    agent_id: attempt.agentId,
    run_id: attempt.runId,
    organisation: attempt.organisation,
    capability: attempt.capability,
    grant_jws: attempt.grantJws,
    traceparent: attempt.traceparent,
    started_at: attempt.startedAtMs,
  };
}
