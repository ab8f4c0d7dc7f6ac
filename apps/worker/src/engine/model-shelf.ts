/** The models one engine holds: load, warm up, run, unload. */
import { CogmeshError } from '@cogmesh/errors';
import { allocate, elementCount, type Datatype, type Tensor } from '@cogmesh/tensors';
import type { InferenceSession } from 'onnxruntime-node';
import type { EngineCalls, ModelToLoad, RunAnswer, TaskInput } from './protocol.js';
import { openSession, signatureOf } from './session.js';
import type { Shelf } from './shelf.js';
import { audioVadTask } from './tasks/audio-vad.js';
import { ocrDetectTask } from './tasks/ocr-detect.js';
import { ocrRecognizeTask } from './tasks/ocr-recognize.js';
import type { TaskContext, TaskRunner } from './tasks/task.js';
import { tensorsTask } from './tasks/tensors.js';

interface LoadedModel {
  readonly model: ModelToLoad;
  readonly session: InferenceSession;
  readonly runTask: TaskRunner;
  readonly runTensors: TaskRunner;
}

const tasks: Readonly<
  Record<ModelToLoad['manifest']['task'], (context: TaskContext) => TaskRunner | Promise<TaskRunner>>
> = {
  tensors: tensorsTask,
  'ocr.detect': ocrDetectTask,
  'ocr.recognize': ocrRecognizeTask,
  'audio.vad': audioVadTask,
};

export class ModelShelf {
  private readonly models = new Map<string, LoadedModel>();

  constructor(private readonly shelf: Shelf) {}

  async load(model: ModelToLoad): Promise<EngineCalls['load']['answer']> {
    const startedAt = performance.now();
    const session = await openSession(model.file);
    const context = { model, session, shelf: this.shelf };
    const runTask = await tasks[model.manifest.task](context);
    this.models.set(model.key, { model, session, runTask, runTensors: tensorsTask(context) });
    return { signature: signatureOf(session), loadMs: performance.now() - startedAt };
  }

  /** Runs each warm-up shape once, on zeros. */
  async warm(key: string): Promise<EngineCalls['warm']['answer']> {
    const startedAt = performance.now();
    const { model, runTensors } = this.loaded(key);
    for (const shapes of model.manifest.warmup) {
      const tensors = model.manifest.inputs.map(({ name, datatype }) => zeros(name, datatype, shapes[name] ?? []));
      await runTensors([{ task: 'tensors', tensors }]);
    }
    return { warmMs: performance.now() - startedAt };
  }

  async unload(key: string): Promise<null> {
    await this.models.get(key)?.session.release();
    this.models.delete(key);
    return null;
  }

  async run(key: string, items: readonly TaskInput[]): Promise<RunAnswer> {
    const startedAt = performance.now();
    const { runTask, runTensors } = this.loaded(key);
    const outcomes = await (items[0]?.task === 'tensors' ? runTensors : runTask)(items);
    return { outcomes, computeMs: performance.now() - startedAt };
  }

  private loaded(key: string): LoadedModel {
    const loaded = this.models.get(key);
    if (!loaded) throw new CogmeshError('unavailable', `${key} is not loaded in this engine`);
    return loaded;
  }
}

function zeros(name: string, datatype: Datatype, shape: readonly number[]): Tensor {
  const count = elementCount(name, shape);
  const data =
    datatype === 'BYTES' ? Array.from({ length: count }, () => new Uint8Array(0)) : allocate(datatype, count);
  return { name, datatype, shape, data };
}
