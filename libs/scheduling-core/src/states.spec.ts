import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  isTerminalRun,
  isTerminalTask,
  runTable,
  runTransition,
  taskTable,
  transition,
  type RunEvent,
  type RunState,
  type TaskEvent,
  type TaskState,
} from './states.js';

interface Row {
  readonly description: string;
  readonly state: TaskState;
  readonly events: readonly TaskEvent[];
  readonly want: TaskState | 'ignored';
}

const rows = JSON.parse(readFileSync(new URL('../testdata/task-transitions.json', import.meta.url), 'utf8')) as Row[];
const taskStates = Object.keys(taskTable) as TaskState[];
const taskEvents = [...new Set(Object.values(taskTable).flatMap((row) => Object.keys(row)))] as TaskEvent[];
const runStates = Object.keys(runTable) as RunState[];
const runEvents = [...new Set(Object.values(runTable).flatMap((row) => Object.keys(row)))] as RunEvent[];

describe('task states', () => {
  it.each(rows)('$description: $state + $events -> $want', ({ state, events, want }) => {
    const end = events.reduce<TaskState | undefined>((at, event) => at && transition(at, event), state);
    expect(end ?? 'ignored').toBe(want);
  });

  it('terminal states absorb every event', () => {
    for (const state of taskStates.filter(isTerminalTask)) {
      for (const event of taskEvents) expect(transition(state, event)).toBeUndefined();
    }
  });

  it('every open state can be cancelled', () => {
    for (const state of taskStates.filter((each) => !isTerminalTask(each)))
      expect(transition(state, 'cancel')).toBe('CANCELLED');
  });

  it('no sequence of events leaves a terminal state, and every state that is reached is known', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...taskStates),
        fc.array(fc.constantFrom(...taskEvents), { maxLength: 40 }),
        (start, events) => {
          let state = start;
          for (const event of events) {
            const next = transition(state, event);
            if (next === undefined) continue;
            expect(isTerminalTask(state)).toBe(false);
            expect(taskStates).toContain(next);
            state = next;
          }
        },
      ),
    );
  });
});

describe('run states', () => {
  it('terminal states absorb every event', () => {
    for (const state of runStates.filter(isTerminalRun)) {
      for (const event of runEvents) expect(runTransition(state, event)).toBeUndefined();
    }
  });

  it('a paused run goes on, is cancelled, or ends with what still ran', () => {
    expect(runTransition('PENDING', 'pause')).toBe('PAUSED');
    expect(runTransition('RUNNING', 'pause')).toBe('PAUSED');
    expect(runTransition('PAUSED', 'pause')).toBeUndefined();
    expect(runTransition('PAUSED', 'resume')).toBe('RUNNING');
    expect(runTransition('PAUSED', 'cancel')).toBe('CANCELLING');
    expect(runTransition('PAUSED', 'succeed')).toBe('SUCCEEDED');
    expect(runTransition('RUNNING', 'resume')).toBeUndefined();
  });

  it('a cancelled run cannot succeed', () => {
    expect(runTransition('RUNNING', 'cancel')).toBe('CANCELLING');
    expect(runTransition('CANCELLING', 'succeed')).toBeUndefined();
    expect(runTransition('CANCELLING', 'cancelled')).toBe('CANCELLED');
  });
});
