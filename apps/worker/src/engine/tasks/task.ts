/** What a model's task is to the engine: made once when the model loads, then run for each batch. */
import { CogmeshError } from '@cogmesh/errors';
import type { InferenceSession } from 'onnxruntime-node';
import type { ItemOutcome, ModelToLoad, TaskInput, TaskOutput } from '../protocol.js';
import type { Shelf } from '../shelf.js';
import { failureOf } from '../failure.js';

export interface TaskContext {
  readonly model: ModelToLoad;
  readonly session: InferenceSession;
  readonly shelf: Shelf;
}

/** Runs a batch; one outcome per item, in order. A rejection fails the whole batch. */
export type TaskRunner = (items: readonly TaskInput[]) => Promise<readonly ItemOutcome[]>;

/** A runner that takes the items one by one; an item that fails fails alone. */
export function oneByOne(run: (item: TaskInput) => Promise<TaskOutput>): TaskRunner {
  return async (items) => {
    const outcomes: ItemOutcome[] = [];
    for (const item of items) {
      outcomes.push(
        await run(item).then(
          (value): ItemOutcome => ({ ok: true, value }),
          (thrown: unknown): ItemOutcome => ({ ok: false, error: failureOf(thrown) }),
        ),
      );
    }
    return outcomes;
  };
}

/** The error for an input of another task than the model's. */
export function wrongTask(model: ModelToLoad, item: TaskInput): CogmeshError {
  return new CogmeshError('invalid_input', `${model.key} does ${model.manifest.task}, not ${item.task}`);
}
