/** Agents of one kind that can be started and stopped as a whole, wherever they run. */
export interface Fleet {
  /** How many there should be, as asked for last. Rejects when nobody can say. */
  count(): Promise<number>;
  /** Resolves when the change is under way. Agents that go finish their work first. */
  scale(agents: number): Promise<void>;
  /** Local ones go with the scheduler. */
  stop(): Promise<void>;
}
