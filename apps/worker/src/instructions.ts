/** What the registry may ask of a worker, and what the worker says to it. An instruction that fails is refused with the reason. */
import { join } from 'node:path';
import type { registryV1 } from '@cogmesh/contracts';
import { CogmeshError, toCogmeshError } from '@cogmesh/errors';
import type { ModelBook } from './inference/model-book.js';
import { readModelRepository } from './models/model-repository.js';
import type { AttemptBook } from './work/attempt-book.js';

export interface InstructionTargets {
  readonly modelsDir: string;
  readonly models: ModelBook;
  readonly attempts: AttemptBook;
  /** Starts to drain; returns at once. */
  readonly drain: (reason: string) => void;
  /** What is announced has changed. */
  readonly onChanged: () => void;
}

export interface Acknowledgement {
  readonly accepted: boolean;
  readonly message: string;
}

export async function carryOut(
  instruction: registryV1.Instruction,
  targets: InstructionTargets,
): Promise<Acknowledgement> {
  try {
    await act(instruction, targets);
    return { accepted: true, message: '' };
  } catch (thrown) {
    const { code, message } = toCogmeshError(thrown);
    return { accepted: false, message: `${code}: ${message}` };
  }
}

async function act({ action }: registryV1.Instruction, targets: InstructionTargets): Promise<void> {
  switch (action.case) {
    case 'drain':
      return targets.drain(action.value.reason);
    case 'loadModel':
      await targets.models.load(await find(join(targets.modelsDir), action.value.model));
      return targets.onChanged();
    case 'unloadModel':
      await targets.models.unload(action.value.model);
      return targets.onChanged();
    case 'cancelAttempts':
      return targets.attempts.cancel(action.value.attemptIds, action.value.reason || 'cancelled by the scheduler');
    default:
      throw new CogmeshError('unimplemented', 'this worker does not know the instruction');
  }
}

/** Read anew, so that a model laid down since the start is found. */
async function find(modelsDir: string, key: string) {
  const model = (await readModelRepository(modelsDir)).find((candidate) => candidate.key === key);
  if (!model) throw new CogmeshError('not_found', `${modelsDir} holds no ${key}`, { model: key });
  return model;
}
