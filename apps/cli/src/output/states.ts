import type { RunState, TaskState } from '@cogmesh/sdk';
import { paint } from './colours.js';

type State = RunState | TaskState;

const marks: Record<State, { mark: string; colour: (text: string) => string }> = {
  PENDING: { mark: '○', colour: paint.dim },
  BLOCKED: { mark: '○', colour: paint.dim },
  READY: { mark: '◌', colour: paint.dim },
  CLAIMED: { mark: '◌', colour: paint.cyan },
  PUBLISHED: { mark: '◌', colour: paint.cyan },
  RUNNING: { mark: '◐', colour: paint.cyan },
  WAITING: { mark: '◔', colour: paint.cyan },
  RETRY_WAIT: { mark: '↻', colour: paint.yellow },
  PAUSED: { mark: '‖', colour: paint.yellow },
  CANCELLING: { mark: '◐', colour: paint.yellow },
  SUCCEEDED: { mark: '●', colour: paint.green },
  FAILED: { mark: '✗', colour: paint.red },
  CANCELLED: { mark: '⊘', colour: paint.yellow },
  SKIPPED: { mark: '–', colour: paint.dim },
};

export const stateMark = (state: State) => marks[state].colour(marks[state].mark);
export const stateName = (state: State) => marks[state].colour(state);
export const stateLabel = (state: State) => `${stateMark(state)} ${stateName(state)}`;
