import type { AgentRecord } from './agent.js';

/** Where agents survive a restart of the registry. */
export interface AgentStore {
  /** Durable when it resolves; newer records replace older ones of the same id. */
  save(records: readonly AgentRecord[]): Promise<void>;
  load(): Promise<readonly AgentRecord[]>;
  remove(ids: readonly string[]): Promise<void>;
}
