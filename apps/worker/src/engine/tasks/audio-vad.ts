/**
 * Finds speech with Silero VAD: windows of 512 samples at 16 kHz, each preceded by the 64 samples before it, the recurrent
 * state carried along. A whole WAV and a stream's chunks take the same path; the caller keeps a stream's state.
 */
import { Tensor, type InferenceSession } from 'onnxruntime-node';
import { finish, listen, silent, type Segment, type SegmenterState } from '../../media/speech-segments.js';
import { readWav, sampleRateHz } from '../../media/wav.js';
import type { TaskOutput, VoiceState } from '../protocol.js';
import { oneByOne, wrongTask, type TaskContext, type TaskRunner } from './task.js';

const windowSamples = 512;
const contextSamples = 64;
const windowMs = (1000 * windowSamples) / sampleRateHz;
const stateShape = [2, 1, 128];

export function audioVadTask({ session, shelf, model }: TaskContext): TaskRunner {
  return oneByOne(async (item): Promise<TaskOutput> => {
    if (item.task === 'audio.vad') {
      const samples = readWav(shelf.bytesOf(item.audio));
      const { segments } = await hear(session, { samples, state: initialState(), final: true });
      return { kind: 'json', value: { segments, durationMs: Math.round((1000 * samples.length) / sampleRateHz) } };
    }
    if (item.task !== 'audio.vad.chunk') throw wrongTask(model, item);
    const { segments, state } = await hear(session, {
      samples: item.samples,
      state: item.state ?? initialState(),
      final: item.final,
    });
    const { speaking, atMs } = state.segmenter as unknown as SegmenterState;
    return { kind: 'voice', value: { segments, speaking, atMs: Math.round(atMs) }, state };
  });
}

function initialState(): VoiceState {
  return { model: new Float32Array(256), pending: new Int16Array(contextSamples), segmenter: { ...silent() } };
}

async function hear(
  session: InferenceSession,
  chunk: { samples: Int16Array; state: VoiceState; final: boolean },
): Promise<{ segments: Segment[]; state: VoiceState }> {
  const segmenter = { ...chunk.state.segmenter } as unknown as SegmenterState;
  const audio = joined(chunk.state.pending, chunk.samples, chunk.final);
  const segments: Segment[] = [];
  let model: Tensor = new Tensor('float32', chunk.state.model, stateShape);
  let start = 0;
  for (; start + contextSamples + windowSamples <= audio.length; start += windowSamples) {
    const input = Float32Array.from(
      audio.subarray(start, start + contextSamples + windowSamples),
      (sample) => sample / 32_768,
    );
    const outputs = await session.run({
      input: new Tensor('float32', input, [1, input.length]),
      state: model,
      sr: new Tensor('int64', BigInt64Array.of(BigInt(sampleRateHz)), []),
    });
    model = outputs['stateN'] as Tensor;
    const closed = listen(segmenter, (outputs['output']?.data as Float32Array)[0] ?? 0, windowMs);
    if (closed) segments.push(closed);
  }
  const last = chunk.final ? finish(segmenter) : undefined;
  if (last) segments.push(last);
  return {
    segments,
    state: { model: (model.data as Float32Array).slice(), pending: audio.slice(start), segmenter: { ...segmenter } },
  };
}

/** What was left over, then the new samples, then at the end enough silence to fill the last window. */
function joined(pending: Int16Array, samples: Int16Array, final: boolean): Int16Array {
  const filled = pending.length + samples.length - contextSamples;
  const silence = final ? (windowSamples - (filled % windowSamples)) % windowSamples : 0;
  const audio = new Int16Array(pending.length + samples.length + silence);
  audio.set(pending);
  audio.set(samples, pending.length);
  return audio;
}
