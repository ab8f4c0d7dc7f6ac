/** Reads WAV files of the one kind the voice model takes: 16 kHz, one channel, 16-bit PCM. */
import { CogmeshError } from '@cogmesh/errors';

export const sampleRateHz = 16_000;

/** Longest clip, samples: one hour. */
export const maxSamples = 3600 * sampleRateHz;

const pcmFormat = 1;

/** The samples of a WAV file; `invalid_audio` says what is wrong with any other. */
export function readWav(bytes: Uint8Array): Int16Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.byteLength < 12 || tagAt(view, 0) !== 'RIFF' || tagAt(view, 8) !== 'WAVE')
    throw invalidAudio('it is no WAV file');
  let format: string | undefined;
  for (const chunk of chunksOf(view)) {
    if (chunk.tag === 'fmt ') format = checkFormat(view, chunk);
    if (chunk.tag !== 'data') continue;
    if (format === undefined) throw invalidAudio('its data comes before its format');
    if (chunk.start + chunk.length > view.byteLength) throw invalidAudio('it ends before its data does (truncated)');
    return samplesOf(bytes, chunk);
  }
  throw invalidAudio('it has no data chunk (truncated)');
}

interface Chunk {
  readonly tag: string;
  readonly start: number;
  readonly length: number;
}

function* chunksOf(view: DataView): Iterable<Chunk> {
  let offset = 12;
  while (offset + 8 <= view.byteLength) {
    const chunk = { tag: tagAt(view, offset), start: offset + 8, length: view.getUint32(offset + 4, true) };
    yield chunk;
    offset = chunk.start + chunk.length + (chunk.length & 1);
  }
}

function checkFormat(view: DataView, chunk: Chunk): string {
  if (chunk.length < 16 || chunk.start + 16 > view.byteLength) throw invalidAudio('its format chunk is too short');
  const code = view.getUint16(chunk.start, true);
  const channels = view.getUint16(chunk.start + 2, true);
  const rate = view.getUint32(chunk.start + 4, true);
  const bits = view.getUint16(chunk.start + 14, true);
  if (code !== pcmFormat || channels !== 1 || rate !== sampleRateHz || bits !== 16) {
    const got = `format ${code}, ${channels} channel(s), ${rate} Hz, ${bits} bits`;
    throw invalidAudio(`expected PCM, 1 channel, ${sampleRateHz} Hz, 16 bits, got ${got}`);
  }
  return 'pcm16';
}

function samplesOf(bytes: Uint8Array, chunk: Chunk): Int16Array {
  const count = Math.floor(chunk.length / 2);
  if (count > maxSamples) throw invalidAudio(`it is longer than ${maxSamples / sampleRateHz} s (maxSamples)`);
  return samplesOfPcm(bytes.subarray(chunk.start, chunk.start + 2 * count));
}

/** Little-endian 16-bit samples, wherever the bytes lie. */
export function samplesOfPcm(bytes: Uint8Array): Int16Array {
  if (bytes.byteLength % 2 !== 0) throw invalidAudio('16-bit samples need an even number of bytes');
  // Copied, so that the samples are aligned; a Buffer's own slice would share its pool.
  return new Int16Array(Uint8Array.from(bytes).buffer);
}

export function invalidAudio(reason: string): CogmeshError {
  return new CogmeshError('invalid_audio', `the audio cannot be read: ${reason}`, { reason });
}

function tagAt(view: DataView, offset: number): string {
  return String.fromCharCode(
    view.getUint8(offset),
    view.getUint8(offset + 1),
    view.getUint8(offset + 2),
    view.getUint8(offset + 3),
  );
}
