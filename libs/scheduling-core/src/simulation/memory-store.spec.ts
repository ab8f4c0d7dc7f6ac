import { engineStoreContract } from '../engine/engine-store.contract.js';
import { MemoryStore } from './memory-store.js';

engineStoreContract('Memory', () => {
  const store = new MemoryStore();
  return Promise.resolve({
    store,
    submit: (born) => store.submit(born),
    takeOver: (shard) => Promise.resolve(store.state.takeOver(shard)),
    history: (runId) => Promise.resolve(store.state.runs.get(runId)?.history ?? []),
    close: () => Promise.resolve(),
  });
});
