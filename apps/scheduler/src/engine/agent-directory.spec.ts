import type { RoutableAgent } from '@cogmesh/routing-core';
import { beforeEach, describe, expect, it } from 'vitest';
import { AgentDirectory } from './agent-directory.js';

const agent = (id: string, state: RoutableAgent['state'] = 'READY'): RoutableAgent => ({
  id,
  organisation: 'acme',
  kind: 'worker',
  state,
  capabilities: [{ name: 'script', credits: 1, ready: true }],
  latencyMs: 0,
  queued: 0,
});

describe('AgentDirectory', () => {
  let answer: RoutableAgent[] | Error;
  let now = 0;
  let directory: AgentDirectory;
  beforeEach(() => {
    now = 0;
    answer = [agent('a')];
    const list = () => (answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer));
    directory = new AgentDirectory({
      source: { list },
      staleAfterMs: 60_000,
      missingAfterMs: 10_000,
      nowMs: () => now,
    });
  });
  const names = () => directory.candidates('script').map((candidate) => candidate.agent.id);

  it('knows nobody before the registry has answered', () => {
    expect(names()).toEqual([]);
    expect(directory.gone(['a'])).toEqual([]);
  });

  it('keeps the last answer while the registry is down, for a bounded time', async () => {
    await directory.refresh();
    answer = new Error('down');
    now = 60_000;
    await expect(directory.refresh()).rejects.toThrow('down');
    expect(names()).toEqual(['a']);
    now = 60_001;
    expect(names()).toEqual([]);
  });

  it('takes a lost agent at its word, and waits for one that is merely missing', async () => {
    answer = [agent('lost', 'LOST')];
    await directory.refresh();
    expect(directory.gone(['lost', 'missing'])).toEqual(['lost']);
    now = 9_999;
    expect(directory.gone(['missing'])).toEqual([]);
    now = 10_000;
    expect(directory.gone(['missing'])).toEqual(['missing']);
  });

  it('starts waiting anew when a missing agent came back in between', async () => {
    await directory.refresh();
    expect(directory.gone(['b'])).toEqual([]);
    answer = [agent('b')];
    now = 9_000;
    await directory.refresh();
    expect(directory.gone(['b'])).toEqual([]);
    answer = [];
    now = 10_000;
    await directory.refresh();
    expect(directory.gone(['b'])).toEqual([]);
  });
});
