import { describe, expect, it } from 'vitest';
import { AgentBook, type SeenAgent } from './agent-book.js';

const tool = 'tool:acme/lookup';
const agent = (id: string, over: Partial<SeenAgent> = {}): SeenAgent => ({
  id,
  capabilities: [{ name: tool, credits: 4, range: { min: 4, max: 16 }, bound: undefined }],
  measuredAtMs: 1,
  cpu: 0,
  meanRunning: 0,
  hostCpu: 0.5,
  completed: 10,
  ...over,
});
const perSlot = (book: AgentBook, seen: SeenAgent) => book.read([seen]).get(tool)?.agents[0]?.cpuPerSlot;

describe('what agents show', () => {
  it('is by capability, with what they have completed together', () => {
    const served = new AgentBook().read([agent('a'), agent('b', { completed: 5 })]);
    expect(served.get(tool)).toMatchObject({ completed: 15, agents: [{ id: 'a', credits: 4 }, { id: 'b' }] });
  });

  it('says nothing of throughput where an agent also does other work', () => {
    const [own] = agent('a').capabilities;
    const both = agent('a', { capabilities: own ? [own, { ...own, name: 'tool:acme/other' }] : [] });
    expect(new AgentBook().read([both, agent('b')]).get(tool)?.completed).toBeUndefined();
    expect(new AgentBook().read([agent('b'), both]).get(tool)?.completed).toBeUndefined();
  });

  it('is the processor time of a busy slot, smoothed, and only while it was busy', () => {
    const book = new AgentBook();
    expect(perSlot(book, agent('a', { cpu: 0.9, meanRunning: 0.1 }))).toBeUndefined();
    expect(perSlot(book, agent('a', { cpu: 0.8, meanRunning: 4, measuredAtMs: 2 }))).toBeCloseTo(0.2);
    // The same portrait again is no second measurement.
    expect(perSlot(book, agent('a', { cpu: 4, meanRunning: 4, measuredAtMs: 2 }))).toBeCloseTo(0.2);
    expect(perSlot(book, agent('a', { cpu: 4, meanRunning: 4, measuredAtMs: 3 }))).toBeCloseTo(0.52);
    expect(perSlot(book, agent('a', { cpu: 0, meanRunning: 0, measuredAtMs: 4 }))).toBeCloseTo(0.52);
  });

  it('is forgotten with the agent', () => {
    const book = new AgentBook();
    book.read([agent('a', { cpu: 1, meanRunning: 1, measuredAtMs: 2 })]);
    book.read([]);
    expect(perSlot(book, agent('a', { measuredAtMs: 5 }))).toBeUndefined();
  });
});
