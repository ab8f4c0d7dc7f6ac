import { CogmeshError } from '@cogmesh/errors';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { capability, introduction, portrait, TestClock } from '../test/builders.js';
import type { AgentState } from './agent.js';
import { AgentRoster } from './agent-roster.js';

const ready = [capability('script')];
const beat = { portrait: portrait(), capabilities: ready };

let clock: TestClock;
let changes: string[];
let roster: AgentRoster;

beforeEach(() => {
  clock = new TestClock();
  changes = [];
  roster = new AgentRoster({
    clock,
    onChange: ({ agent, before }) => changes.push(`${agent.id} ${before ?? 'new'} -> ${agent.state}`),
  });
});

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return error instanceof CogmeshError ? error.code : String(error);
  }
  return 'none';
}

describe('liveness', () => {
  it('loses an agent at the third missed heartbeat and not before', () => {
    roster.connect(introduction());
    clock.advance(5_999);
    expect(roster.tick().lost).toEqual([]);
    clock.advance(1);
    expect(roster.tick().lost).toEqual(['agent_01']);
    expect(roster.get('agent_01')?.state).toBe('LOST');
    expect(changes).toEqual(['agent_01 new -> READY', 'agent_01 READY -> LOST']);
  });

  it('keeps an agent that beats', () => {
    roster.connect(introduction());
    for (let i = 0; i < 20; i += 1) {
      clock.advance(2_000);
      roster.heartbeat('agent_01', beat);
      expect(roster.tick().lost).toEqual([]);
    }
    expect(changes).toEqual(['agent_01 new -> READY']);
  });

  it('is not fooled by a jump of the wall clock', () => {
    roster.connect(introduction());
    clock.jumpWall(86_400_000);
    expect(roster.tick().lost).toEqual([]);
  });

  it('gives a broken stream a short grace, and takes the agent back within it', () => {
    roster.connect(introduction());
    roster.disconnect('agent_01');
    clock.advance(2_999);
    expect(roster.tick().lost).toEqual([]);
    roster.connect(introduction());
    clock.advance(3_000);
    expect(roster.tick().lost).toEqual([]);
    roster.disconnect('agent_01');
    clock.advance(3_000);
    expect(roster.tick().lost).toEqual(['agent_01']);
  });

  it('does not lengthen the time of an agent that was overdue already', () => {
    roster.connect(introduction());
    clock.advance(5_000);
    roster.disconnect('agent_01');
    clock.advance(1_000);
    expect(roster.tick().lost).toEqual(['agent_01']);
  });

  it('takes a lost agent back', () => {
    roster.connect(introduction());
    clock.advance(6_000);
    roster.tick();
    roster.connect(introduction());
    expect(roster.get('agent_01')?.state).toBe('READY');
  });

  it('loses nobody in the first seconds after a restart, and the absent afterwards', () => {
    const record = roster.connect(introduction());
    const restarted = new AgentRoster({ clock });
    restarted.restore([record]);
    clock.advance(14_999);
    expect(restarted.tick().lost).toEqual([]);
    clock.advance(1);
    expect(restarted.tick().lost).toEqual(['agent_01']);
  });

  it('declares an agent lost exactly when its last sign of life is three heartbeats old', () => {
    const step = fc.record({ waitMs: fc.integer({ min: 1, max: 4_000 }), beats: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const time = new TestClock();
        const subject = new AgentRoster({ clock: time });
        subject.connect(introduction());
        let lastSignMs = time.monotonicMs();
        let lost = false;
        for (const { waitMs, beats } of steps) {
          time.advance(waitMs);
          subject.tick();
          lost ||= time.monotonicMs() - lastSignMs >= 6_000;
          expect(subject.get('agent_01')?.state).toBe(lost ? 'LOST' : 'READY');
          if (!beats) continue;
          subject.heartbeat('agent_01', beat);
          lastSignMs = time.monotonicMs();
          lost = false;
        }
      }),
    );
  });
});

describe('identity', () => {
  it('refuses the id of another identity and changes nothing', () => {
    roster.connect(introduction());
    const thief = introduction({ identity: 'https://issuer.globex|mallory', organisation: 'globex' });
    expect(codeOf(() => roster.connect(thief))).toBe('permission_denied');
    expect(roster.get('agent_01')?.organisation).toBe('acme');
  });

  it('refuses an id that said goodbye', () => {
    roster.connect(introduction());
    roster.goodbye('agent_01');
    expect(codeOf(() => roster.connect(introduction()))).toBe('failed_precondition');
  });
});

describe('what is told and stored', () => {
  it('tells of a capability that became ready, not of a portrait', () => {
    const loading = [capability('script'), capability('model:acme/a@1.0.0', { ready: false })];
    const loaded = [capability('script'), capability('model:acme/a@1.0.0')];
    roster.connect(introduction({ capabilities: loading }));
    roster.heartbeat('agent_01', { portrait: portrait({ cpu: 0.9 }), capabilities: loading });
    expect(changes).toHaveLength(1);
    roster.heartbeat('agent_01', { portrait: portrait(), capabilities: loaded });
    expect(changes).toEqual(['agent_01 new -> READY', 'agent_01 READY -> READY']);
  });

  it('believes an agent that says it drains, for good', () => {
    roster.connect(introduction());
    roster.heartbeat('agent_01', { ...beat, draining: true });
    roster.heartbeat('agent_01', beat);
    expect(roster.get('agent_01')?.state).toBe('DRAINING');
    expect(changes.at(-1)).toBe('agent_01 READY -> DRAINING');
  });

  it('hands every changed record out once, and again when it could not be stored', () => {
    roster.connect(introduction());
    expect(roster.takeDirty().map((record) => record.id)).toEqual(['agent_01']);
    expect(roster.takeDirty()).toEqual([]);
    roster.markDirty(['agent_01', 'agent_unknown']);
    expect(roster.takeDirty()).toHaveLength(1);
  });

  it('lists those present, and on request those gone within the hour', () => {
    roster.connect(introduction());
    roster.connect(introduction({ id: 'agent_02', organisation: 'globex', identity: 'other' }));
    roster.goodbye('agent_02');
    expect(roster.list().map((record) => record.id)).toEqual(['agent_01']);
    expect(roster.list({ includeGone: true })).toHaveLength(2);
    expect(roster.list({ includeGone: true, organisation: 'globex' })).toHaveLength(1);
    for (let i = 0; i < 1_801; i += 1) {
      clock.advance(2_000);
      roster.heartbeat('agent_01', beat);
      roster.tick();
    }
    expect(roster.list({ includeGone: true }).map((record) => record.id)).toEqual(['agent_01']);
  });

  it('keeps a bounded history of portraits', () => {
    roster.connect(introduction());
    for (let i = 0; i < 200; i += 1)
      roster.heartbeat('agent_01', { portrait: portrait({ timeMs: i }), capabilities: ready });
    const history = roster.portraits('agent_01');
    expect(history).toHaveLength(150);
    expect(history.at(-1)?.timeMs).toBe(199);
    expect(roster.get('agent_01')?.portrait?.timeMs).toBe(199);
  });

  it('ends every sequence of events with a state the changes add up to', () => {
    const event = fc.constantFrom('connect', 'heartbeat', 'disconnect', 'draining', 'goodbye', 'wait');
    fc.assert(
      fc.property(fc.array(event, { maxLength: 30 }), (events) => {
        const time = new TestClock();
        let told: AgentState | undefined;
        const subject = new AgentRoster({
          clock: time,
          onChange: ({ agent, before }) => {
            expect(before).toBe(told);
            told = agent.state;
          },
        });
        const acts: Record<string, () => void> = {
          connect: () => codeOf(() => subject.connect(introduction())),
          heartbeat: () => subject.heartbeat('agent_01', beat),
          disconnect: () => subject.disconnect('agent_01'),
          draining: () => subject.draining('agent_01'),
          goodbye: () => subject.goodbye('agent_01'),
          wait: () => time.advance(2_500),
        };
        for (const name of events) {
          acts[name]?.();
          subject.tick();
          expect(subject.get('agent_01')?.state).toBe(told);
        }
      }),
    );
  });
});
