import { createLogger } from '@cogmesh/telemetry';
import { expect, it } from 'vitest';
import { SchemaShelf } from './schema-shelf.js';

it('keeps a schema while an agent announces it, or one on its way in may', async () => {
  let nowMs = 0;
  const stored = new Map<string, string>();
  const shelf = new SchemaShelf({
    clock: { wallMs: () => nowMs, monotonicMs: () => nowMs },
    logger: createLogger({ level: 'silent' }),
    texts: {
      load: async () => stored,
      add: async (texts) => texts.forEach((json, digest) => stored.set(digest, json)),
      remove: async (digests) => digests.forEach((digest) => stored.delete(digest)),
    },
  });
  const capability = { name: 'tool:acme/a', credits: 1, ready: true, metadataJson: '' };
  const accept = (json: string) => shelf.accept([capability], [{ name: capability.name, inputSchemaJson: json }]);
  const capabilities = await accept('{"type":"object"}');
  await accept('{"type":"array"}');
  await shelf.save();
  expect(stored.size).toBe(2);

  await shelf.dropUnused([{ capabilities }]);
  expect(stored.size).toBe(2);
  nowMs = 61_000;
  await shelf.dropUnused([{ capabilities }]);
  expect([...stored.values()]).toEqual(['{"type":"object"}']);
  expect(shelf.text(capabilities[0]?.inputSchemaSha256 ?? '')).toBe('{"type":"object"}');

  await accept('{"type":"array"}');
  await shelf.save();
  expect(stored.size).toBe(2);
});
