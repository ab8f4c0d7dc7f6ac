import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { capability } from '../test/builders.js';
import type { AgentState } from './agent.js';
import { isPresent, nextState, type LifeEvent } from './life-cycle.js';

const warm = [capability('script')];
const cold = [capability('script', { ready: false })];

const table: readonly [AgentState, LifeEvent, AgentState][] = [
  ['STARTING', { kind: 'heartbeat', capabilities: cold }, 'STARTING'],
  ['STARTING', { kind: 'heartbeat', capabilities: warm }, 'READY'],
  ['READY', { kind: 'heartbeat', capabilities: cold }, 'STARTING'],
  ['READY', { kind: 'draining' }, 'DRAINING'],
  ['READY', { kind: 'lost' }, 'LOST'],
  ['READY', { kind: 'goodbye' }, 'GONE'],
  ['DRAINING', { kind: 'heartbeat', capabilities: warm }, 'DRAINING'],
  ['DRAINING', { kind: 'connected', capabilities: warm }, 'DRAINING'],
  ['DRAINING', { kind: 'lost' }, 'LOST'],
  ['LOST', { kind: 'heartbeat', capabilities: warm }, 'READY'],
  ['LOST', { kind: 'connected', capabilities: cold }, 'STARTING'],
  ['LOST', { kind: 'draining' }, 'LOST'],
  ['LOST', { kind: 'goodbye' }, 'GONE'],
];

const anyEvent: fc.Arbitrary<LifeEvent> = fc.oneof(
  fc.constantFrom<LifeEvent>({ kind: 'draining' }, { kind: 'lost' }, { kind: 'goodbye' }),
  fc.record({ kind: fc.constantFrom('connected', 'heartbeat'), capabilities: fc.constantFrom(warm, cold, []) }),
);

describe('the life of an agent', () => {
  it.each(table)('%s, %o -> %s', (state, event, next) => {
    expect(nextState(state, event)).toBe(next);
  });

  it('never leaves GONE', () => {
    fc.assert(
      fc.property(fc.array(anyEvent), (events) => {
        expect(events.reduce<AgentState>(nextState, 'GONE')).toBe('GONE');
      }),
    );
  });

  it('is present after a sign of life unless it said goodbye', () => {
    fc.assert(
      fc.property(fc.array(anyEvent), (events) => {
        const state = events.reduce<AgentState>(nextState, 'STARTING');
        const after = nextState(state, { kind: 'heartbeat', capabilities: warm });
        expect(isPresent(after)).toBe(!events.some((event) => event.kind === 'goodbye'));
      }),
    );
  });
});
