/** Holds a manifest against what the runtime reports of the file itself, so that a wrong manifest fails at load, not in use. */
import { CogmeshError, type Issue } from '@cogmesh/errors';
import type { Datatype, TensorSpec } from '@cogmesh/tensors';
import { modelKey, type ModelManifest } from './manifest.js';

/** One input or output as the file declares it; a dimension it leaves open is -1. */
export interface ReportedTensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
}

export interface ReportedSignature {
  readonly inputs: readonly ReportedTensor[];
  readonly outputs: readonly ReportedTensor[];
}

/**
 * Throws `invalid_model` with every difference. Each input of the file must be in the manifest and the other way round;
 * outputs the manifest leaves out are allowed. A manifest may narrow an open dimension but not contradict a fixed one.
 */
export function checkSignature(manifest: ModelManifest, reported: ReportedSignature): void {
  const issues = [
    ...differences('inputs', manifest.inputs, reported.inputs),
    ...differences('outputs', manifest.outputs, reported.outputs),
    ...reported.inputs.flatMap((input) =>
      manifest.inputs.some((declared) => declared.name === input.name)
        ? []
        : [{ path: 'inputs', code: 'missing', message: `the file also needs ${describe(input)}` }],
    ),
  ];
  if (issues.length === 0) return;
  const summary = issues.map((issue) => `${issue.path}: ${issue.message}`).join('; ');
  throw new CogmeshError('invalid_model', `${modelKey(manifest)} does not match its file: ${summary}`, { issues });
}

function differences(list: string, declared: readonly TensorSpec[], reported: readonly ReportedTensor[]): Issue[] {
  return declared.flatMap((spec) => {
    const path = `${list}.${spec.name}`;
    const found = reported.find((tensor) => tensor.name === spec.name);
    if (!found)
      return [{ path, code: 'unknown', message: `the file has only ${reported.map((t) => t.name).join(', ')}` }];
    return found.datatype === spec.datatype && compatible(spec.shape, found.shape)
      ? []
      : [{ path, code: 'mismatch', message: `manifest says ${describe(spec)}, the file says ${describe(found)}` }];
  });
}

function compatible(declared: readonly number[], reported: readonly number[]): boolean {
  return declared.length === reported.length && reported.every((size, axis) => size === -1 || size === declared[axis]);
}

function describe(tensor: ReportedTensor): string {
  return `${tensor.name} ${tensor.datatype} [${tensor.shape.join(',')}]`;
}
