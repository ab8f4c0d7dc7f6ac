import { consumeDead, type Bus, type Consumer, type Queue } from '@cogmesh/bus';

type StoreLetter = Parameters<typeof consumeDead>[2];

/** Shared work queues are declared on first use, and their dead letters are ours to keep. */
export function sharedQueues(bus: Bus, store: StoreLetter): Consumer & { declare(name: string): Promise<void> } {
  const declared = new Map<string, Promise<Consumer>>();
  const open = async (name: string): Promise<Consumer> => {
    const shared: Queue = { name, kind: 'durable' };
    await bus.declare({ queues: [shared] });
    return consumeDead(bus, shared, store);
  };
  return {
    async declare(name) {
      let opening = declared.get(name);
      if (!opening) declared.set(name, (opening = open(name)));
      await opening.catch((error: unknown) => {
        declared.delete(name);
        throw error;
      });
    },
    async stop() {
      for (const opening of declared.values()) await (await opening).stop();
    },
  };
}
