/**
 * From speech probabilities to segments, with Silero's hysteresis: speech starts at 0.5, ends after 400 ms below 0.35;
 * shorter than 250 ms is no speech; 30 ms are added at both ends. The state is plain, so that a stream can carry it.
 */
export interface Segment {
  readonly startMs: number;
  readonly endMs: number;
}

const onThreshold = 0.5;
const offThreshold = 0.35;
const endSilenceMs = 400;
const minSpeechMs = 250;
const padMs = 30;

export interface SegmenterState {
  /** End of what was seen, milliseconds. */
  atMs: number;
  speaking: boolean;
  startMs: number;
  /** Start of the silence inside speech; -1 while there is none. */
  silenceMs: number;
}

export const silent = (): SegmenterState => ({ atMs: 0, speaking: false, startMs: 0, silenceMs: -1 });

/** Takes one window of `windowMs`; yields the segment it closed, if any. Changes the state. */
export function listen(state: SegmenterState, probability: number, windowMs: number): Segment | undefined {
  const windowStart = state.atMs;
  state.atMs += windowMs;
  if (probability >= onThreshold) {
    state.silenceMs = -1;
    if (!state.speaking) Object.assign(state, { speaking: true, startMs: windowStart });
    return undefined;
  }
  if (!state.speaking || probability >= offThreshold) return undefined;
  if (state.silenceMs < 0) state.silenceMs = windowStart;
  return state.atMs - state.silenceMs >= endSilenceMs ? close(state, state.silenceMs) : undefined;
}

/** The segment still open when the audio ends, if it is long enough. */
export function finish(state: SegmenterState): Segment | undefined {
  return state.speaking ? close(state, state.silenceMs < 0 ? state.atMs : state.silenceMs) : undefined;
}

function close(state: SegmenterState, endMs: number): Segment | undefined {
  const { startMs } = state;
  Object.assign(state, { speaking: false, silenceMs: -1 });
  if (endMs - startMs < minSpeechMs) return undefined;
  return { startMs: Math.max(0, Math.round(startMs - padMs)), endMs: Math.round(Math.min(endMs + padMs, state.atMs)) };
}
