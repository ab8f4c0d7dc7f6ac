export {
  Batcher,
  type BatcherOptions,
  type BatcherPorts,
  type BatchItem,
  type BatchOutcome,
  type SubmitOptions,
} from './batcher.js';
export { modelKey, parseManifest, type ModelManifest, type ModelSource, type ModelTask } from './manifest.js';
export { parseModelReference, resolveVersion, type ModelReference } from './model-reference.js';
export { checkSignature, type ReportedSignature, type ReportedTensor } from './signature.js';
export { type BatcherFigures } from './statistics.js';
