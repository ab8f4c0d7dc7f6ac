/** Greedy CTC decoding of the recogniser's output: the best character per step, repeats and blanks dropped. */

export interface DecodedLine {
  readonly text: string;
  /** Mean probability of the steps kept, 0-1; 0 for an empty line. */
  readonly confidence: number;
}

/** `[blank] + dictionary lines + [space]`, by class index. */
export function alphabetOf(dictionary: string): string[] {
  const lines = dictionary.split('\n').map((line) => line.replace(/\r$/, ''));
  if (lines.at(-1) === '') lines.pop();
  return ['', ...lines, ' '];
}

/** `probabilities` is row-major [steps, classes]; `classes` equals the alphabet's length. */
export function decodeLine(probabilities: Float32Array, alphabet: readonly string[]): DecodedLine {
  const classes = alphabet.length;
  let [text, sum, kept, previous] = ['', 0, 0, 0];
  for (let offset = 0; offset + classes <= probabilities.length; offset += classes) {
    const [best, probability] = bestClass(probabilities, offset, classes);
    if (best !== 0 && best !== previous) {
      text += alphabet[best];
      sum += probability;
      kept += 1;
    }
    previous = best;
  }
  return { text, confidence: kept === 0 ? 0 : Math.round((sum / kept) * 1e4) / 1e4 };
}

function bestClass(probabilities: Float32Array, offset: number, classes: number): [index: number, probability: number] {
  let best = 0;
  let highest = -Infinity;
  for (let index = 0; index < classes; index += 1) {
    const value = probabilities[offset + index] as number;
    if (value > highest) [best, highest] = [index, value];
  }
  return [best, highest];
}
