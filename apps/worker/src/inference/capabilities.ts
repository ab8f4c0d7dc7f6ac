/** What the worker announces: one capability per model, and `script` when it has engines for it. */
import type { registryV1 } from '@cogmesh/contracts';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { inputSchemaOf } from './input-schema.js';
import type { ModelBook, ServedModel } from './model-book.js';

export type CapabilityInit = Omit<MessageInitShape<typeof registryV1.CapabilitySchema>, '$typeName'> & {
  name: string;
  credits: number;
};

export interface CapabilityOptions {
  readonly models: ModelBook;
  readonly scriptEngines: number;
  readonly queueDepth: number;
  /** Whether engines for scripts are up. */
  readonly scriptReady: () => boolean;
}

/** The full list as it is now, without models that could not be loaded anywhere. */
export function capabilitiesOf({
  models,
  scriptEngines,
  queueDepth,
  scriptReady,
}: CapabilityOptions): CapabilityInit[] {
  const capabilities = models.models
    .filter(({ model }) => !models.isBroken(model.key))
    .map((served) => ({
      name: `model:${served.model.key}`,
      credits: models.creditsOf(served),
      ready: models.isWarm(served.model.key),
      metadataJson: JSON.stringify(metadataOf(served)),
      inputSchemaJson: inputSchemaOf(served.model.manifest),
    }));
  if (scriptEngines === 0) return capabilities;
  return [
    ...capabilities,
    { name: 'script', credits: scriptEngines * (1 + queueDepth), ready: scriptReady(), metadataJson: '' },
  ];
}

/** Open Inference Protocol model metadata, with what Cogmesh knows besides. */
function metadataOf({ model: { manifest } }: ServedModel): Record<string, unknown> {
  return {
    name: manifest.name,
    versions: [manifest.version],
    platform: 'onnxruntime_onnx',
    inputs: manifest.inputs,
    outputs: manifest.outputs,
    task: manifest.task,
    description: manifest.description,
    licence: manifest.licence,
    variants: manifest.variants.map((variant) => variant.name),
    maxBatch: manifest.batching.maxBatch,
  };
}
