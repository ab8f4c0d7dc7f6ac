import { expect, it } from 'vitest';
import { AgentSpeeds } from './agent-speeds.js';

const done = { case: 'outputJson' as const, value: 'null' };
const target = (agentId: string, capability = 'tool:acme/read') => ({ agentId, capability });

function watched() {
  let now = 0;
  let attempts = 0;
  const speeds = new AgentSpeeds(() => now);
  return {
    speeds,
    wait: (ms: number) => (now += ms),
    serve: (agentId: string, ms: number, outcome: Parameters<AgentSpeeds['arrived']>[0][number]['outcome'] = done) => {
      const attemptId = `x${attempts++}`;
      speeds.began(attemptId, target(agentId));
      now += ms;
      speeds.arrived([{ attemptId, outcome }]);
      return attemptId;
    },
    of: (agentId: string) => speeds.observedMs(agentId, 'tool:acme/read'),
  };
}

it('averages from hand-over to result, by agent and capability', () => {
  const { serve, of, speeds } = watched();
  serve('a', 10);
  serve('a', 30);
  serve('b', 100);
  expect(of('a')).toBe(20);
  expect(of('b')).toBe(100);
  expect(speeds.observedMs('a', 'script')).toBeUndefined();
});

it('follows an agent that becomes slow within a few dozen tasks', () => {
  const { serve, of } = watched();
  for (let i = 0; i < 100; i++) serve('a', 10);
  for (let i = 0; i < 30; i++) serve('a', 100);
  expect(of('a')).toBeGreaterThan(90);
});

it('learns nothing from failures, hand-backs, strangers and second results', () => {
  const { serve, of, speeds, wait } = watched();
  serve('a', 1, { case: 'error', value: {} as never });
  serve('a', 1, { case: 'returned', value: {} as never });
  speeds.arrived([{ attemptId: 'nobody knows it', outcome: done }]);
  expect(of('a')).toBeUndefined();
  const attemptId = serve('a', 10);
  wait(1_000);
  speeds.arrived([{ attemptId, outcome: done }]);
  expect(of('a')).toBe(10);
});

it('forgets an attempt that is held no more, and what it has not seen for a minute', () => {
  const { speeds, wait, serve, of } = watched();
  speeds.began('lost', target('a'));
  speeds.forget('lost');
  speeds.arrived([{ attemptId: 'lost', outcome: done }]);
  expect(of('a')).toBeUndefined();
  serve('a', 10);
  wait(60_000);
  expect(of('a')).toBe(10);
  wait(1);
  expect(of('a')).toBeUndefined();
});

it('says nothing of shared queues', () => {
  const { speeds } = watched();
  speeds.began('x', { queue: 'inference_tasks.read', capability: 'tool:acme/read' });
  speeds.arrived([{ attemptId: 'x', outcome: done }]);
  expect(speeds.observedMs('', 'tool:acme/read')).toBeUndefined();
});
