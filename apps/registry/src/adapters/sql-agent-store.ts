/** Agents in SQL: one row each, replaced as a whole; many in one statement. */
import { bulk, sql, type Database } from '@cogmesh/database';
import type { AgentKind, AgentRecord, AgentState, AgentStore, Capability, Portrait } from '@cogmesh/registry-core';

interface AgentRow {
  readonly id: string;
  readonly name: string;
  readonly organisation: string;
  readonly kind: string;
  readonly identity: string;
  readonly state: string;
  readonly capabilities: string;
  readonly labels: string;
  readonly address: string;
  readonly portrait: string;
  readonly connected_at: number;
  readonly last_heartbeat_at: number;
  readonly changed_at: number;
}

const columns = {
  id: 'text',
  name: 'text',
  organisation: 'text',
  kind: 'text',
  identity: 'text',
  state: 'text',
  capabilities: 'text',
  labels: 'text',
  address: 'text',
  portrait: 'text',
  connected_at: 'bigint',
  last_heartbeat_at: 'bigint',
  changed_at: 'bigint',
} as const;

const columnList = sql.raw(Object.keys(columns).join(', '));
const replacements = sql.raw(
  Object.keys(columns)
    .filter((name) => name !== 'id')
    .map((name) => `${name} = excluded.${name}`)
    .join(', '),
);

export class SqlAgentStore implements AgentStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async save(records: readonly AgentRecord[]): Promise<void> {
    if (records.length === 0) return;
    const rows = bulk(this.#database.dialect, records.map(toRow), columns);
    // `where true` tells SQLite that ON CONFLICT does not belong to a join.
    await this.#database.execute(
      sql`insert into agents (${columnList}) select ${columnList} from ${rows} as r where true
        on conflict (id) do update set ${replacements}`,
    );
  }

  async load(): Promise<readonly AgentRecord[]> {
    const rows = await this.#database.query<AgentRow>(sql`select ${columnList} from agents order by id`);
    return rows.map(toRecord);
  }

  async remove(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    await this.#database.execute(sql`delete from agents where id in (${sql.join([...ids])})`);
  }
}

function toRow(record: AgentRecord): AgentRow {
  return {
    id: record.id,
    name: record.name,
    organisation: record.organisation,
    kind: record.kind,
    identity: record.identity,
    state: record.state,
    capabilities: JSON.stringify(record.capabilities),
    labels: JSON.stringify(record.labels),
    address: record.address,
    portrait: JSON.stringify(record.portrait ?? null),
    connected_at: record.connectedAtMs,
    last_heartbeat_at: record.lastHeartbeatAtMs,
    changed_at: record.changedAtMs,
  };
}

function toRecord(row: AgentRow): AgentRecord {
  return {
    id: row.id,
    name: row.name,
    organisation: row.organisation,
    kind: row.kind as AgentKind,
    identity: row.identity,
    state: row.state as AgentState,
    capabilities: JSON.parse(row.capabilities) as Capability[],
    labels: JSON.parse(row.labels) as Record<string, string>,
    address: row.address,
    portrait: (JSON.parse(row.portrait) as Portrait | null) ?? undefined,
    connectedAtMs: row.connected_at,
    lastHeartbeatAtMs: row.last_heartbeat_at,
    changedAtMs: row.changed_at,
  };
}
