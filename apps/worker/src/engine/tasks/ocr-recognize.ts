/** Reads one line of text: quadrilateral of a picture -> 48 pixel high strip -> characters. One line per run. */
import { CogmeshError } from '@cogmesh/errors';
import { Tensor } from 'onnxruntime-node';
import { alphabetOf, decodeLine } from '../ocr/ctc.js';
import { linePixels } from '../ocr/line-pixels.js';
import { readVerified } from '../session.js';
import { oneByOne, wrongTask, type TaskContext, type TaskRunner } from './task.js';

/** A line read with less than this is no text; its text is empty then. */
const minConfidence = 0.5;

export async function ocrRecognizeTask({ session, shelf, model }: TaskContext): Promise<TaskRunner> {
  const dictionary = model.assets['dictionary'];
  if (!dictionary) throw new CogmeshError('invalid_model', `${model.key} has no asset "dictionary"`);
  const alphabet = alphabetOf(new TextDecoder().decode(await readVerified(dictionary)));
  return oneByOne(async (item) => {
    if (item.task !== 'ocr.recognize') throw wrongTask(model, item);
    const line = linePixels(await shelf.pictureOf(item.image), item.box);
    const input = new Tensor('float32', line.planes, [1, 3, line.height, line.width]);
    const outputs = await session.run({ [session.inputNames[0] as string]: input });
    const output = outputs[session.outputNames[0] as string] as Tensor;
    if (output.dims[2] !== alphabet.length) {
      throw new CogmeshError(
        'invalid_model',
        `${model.key} knows ${output.dims[2]} classes, its dictionary makes ${alphabet.length}`,
      );
    }
    const { text, confidence } = decodeLine(output.data as Float32Array, alphabet);
    return { kind: 'json', value: { text: confidence < minConfidence ? '' : text, confidence, box: item.box } };
  });
}
