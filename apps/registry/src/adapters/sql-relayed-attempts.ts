import { sql, type Database } from '@cogmesh/database';
import type { RelayedAttempt, RelayedAttempts } from '../relay/relayed-attempt.js';

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

/** Started attempts of SDK agents in SQL. */
export class SqlRelayedAttempts implements RelayedAttempts {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async add(attempt: RelayedAttempt): Promise<void> {
    await this.#database.execute(sql`insert into relayed_attempts
      (attempt_id, agent_id, run_id, organisation, capability, grant_jws, traceparent, started_at)
      values (${attempt.attemptId}, ${attempt.agentId}, ${attempt.runId}, ${attempt.organisation}, ${attempt.capability},
        ${attempt.grantJws}, ${attempt.traceparent}, ${attempt.startedAtMs})
      on conflict (attempt_id) do nothing`);
  }

  async remove(attemptIds: readonly string[]): Promise<void> {
    if (attemptIds.length === 0) return;
    await this.#database.execute(sql`delete from relayed_attempts where attempt_id in (${sql.join([...attemptIds])})`);
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
