/** The registry's stores on each database they are used with. */
import { openPostgres, openSqlite, type Database } from '@cogmesh/database';
import type { AgentRecord } from '@cogmesh/registry-core';
import { startPostgres, type TestPostgres } from '@cogmesh/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { registryMigrations } from '../src/adapters/migrations.js';
import { SqlAgentStore } from '../src/adapters/sql-agent-store.js';
import { SqlInputSchemas } from '../src/adapters/sql-input-schemas.js';
import { SqlRelayedAttempts } from '../src/adapters/sql-relayed-attempts.js';

let postgres: TestPostgres;
let schemas = 0;
beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres.stop());

const databases = [
  { name: 'SQLite', open: () => openSqlite(':memory:') },
  { name: 'PostgreSQL', open: async () => openPostgres(postgres.url, { schema: `registry_${(schemas += 1)}` }) },
];

const agent = (id: string, over: Partial<AgentRecord> = {}): AgentRecord => ({
  id,
  name: 'worker',
  organisation: 'acme',
  kind: 'worker',
  identity: 'service:worker',
  state: 'READY',
  capabilities: [{ name: 'script', credits: 2, ready: true, metadataJson: '{"a":1}' }],
  labels: { zone: 'a' },
  address: '127.0.0.1:1',
  portrait: undefined,
  connectedAtMs: 1_800_000_000_001,
  lastHeartbeatAtMs: 1_800_000_000_002,
  changedAtMs: 1_800_000_000_003,
  ...over,
});

const portrait = {
  timeMs: 1_800_000_000_004,
  cpu: 0.25,
  gpu: 0,
  memoryBytes: 2 ** 40,
  queued: 1,
  running: 2,
  latencyMs: 3.5,
  warmModels: ['acme/x@1.0.0'],
  providers: ['cpu'],
};

const attempt = (attemptId: string, agentId: string, startedAtMs: number) => ({
  attemptId,
  agentId,
  runId: 'run_1',
  organisation: 'acme',
  capability: 'tool:acme/lookup',
  grantJws: 'grant',
  traceparent: '',
  startedAtMs,
});

describe.each(databases)('on $name', ({ open }) => {
  let database: Database;

  beforeEach(async () => {
    database = await open();
    await database.migrate(registryMigrations);
  });
  afterEach(() => database.close());

  it('agents come back as they were, newest record first to count', async () => {
    const store = new SqlAgentStore(database);
    await store.save([]);
    await store.save([agent('agent_a'), agent('agent_b')]);
    const changed = agent('agent_b', { state: 'LOST', portrait, labels: {}, capabilities: [] });
    await store.save([changed, agent('agent_c')]);
    expect(await store.load()).toEqual([agent('agent_a'), changed, agent('agent_c')]);
    await store.remove(['agent_a', 'agent_c', 'agent_z']);
    expect(await store.load()).toEqual([changed]);
  });

  it('input schemas come back, each once', async () => {
    const schemas = new SqlInputSchemas(database);
    await schemas.add(new Map([['a', '{}'], ['b', '{"type":"object"}']])); // prettier-ignore
    await schemas.add(new Map([['b', 'another'], ['c', 'true']])); // prettier-ignore
    expect([...(await schemas.load())].sort()).toEqual([['a', '{}'], ['b', '{"type":"object"}'], ['c', 'true']]); // prettier-ignore
    await schemas.remove(['a', 'c', 'z']);
    expect([...(await schemas.load()).keys()]).toEqual(['b']);
  });

  it('started attempts come back in the order of their start, each once', async () => {
    const attempts = new SqlRelayedAttempts(database);
    await attempts.add(attempt('2', 'agent_a', 20));
    await attempts.add(attempt('1', 'agent_a', 10));
    await attempts.add(attempt('1', 'agent_a', 99));
    await attempts.add(attempt('3', 'agent_b', 5));
    expect(await attempts.ofAgent('agent_a')).toEqual([attempt('1', 'agent_a', 10), attempt('2', 'agent_a', 20)]);
    await attempts.remove(['1', 'unknown']);
    expect(await attempts.ofAgent('agent_a')).toEqual([attempt('2', 'agent_a', 20)]);
    await attempts.removeAgents(['agent_a']);
    expect(await attempts.ofAgent('agent_a')).toEqual([]);
    expect(await attempts.ofAgent('agent_b')).toHaveLength(1);
  });
});
