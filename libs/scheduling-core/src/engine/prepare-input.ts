/**
 * A task's input, computed when it is about to be claimed. Pure data in, pure data out: the same outputs give the same
 * input after a restart. Answers a failure instead of throwing when the task itself is at fault.
 */
import { createHash } from 'node:crypto';
import { CogmeshError } from '@cogmesh/errors';
import { evaluateTemplate } from '../expressions/evaluate-template.js';
import type { Scope } from '../expressions/expression.js';
import { blobIdsIn, type Json } from '../json.js';
import type { TaskPlan } from '../run-plan.js';
import { failureOf } from './outcomes.js';
import type { Failure } from './rows.js';

export interface PreparedInput {
  readonly inputJson: string;
  /** SHA-256 of the JSON's UTF-8 bytes, lower-case hexadecimal. */
  readonly inputSha256: string;
  /** Blobs the input refers to. */
  readonly blobs: readonly string[];
}

export type Prepared =
  { readonly ok: true; readonly input: PreparedInput } | { readonly ok: false; readonly failure: Failure };

/** The bus's limit on one input; larger values are blob references. */
const maxInputBytes = 1024 * 1024;

/** Throws `invalid_input` for an input that no agent takes. */
export type AssertTaken = (plan: TaskPlan, input: Json) => void;

export function prepareInput(plan: TaskPlan, scope: Scope, maxSteps: number, assertTaken?: AssertTaken): Prepared {
  try {
    const kind = plan.forEach === undefined ? 'task' : 'item';
    const input = evaluateTemplate(plan.input, scope, { kind, maxSteps });
    const inputJson = JSON.stringify(input);
    if (Buffer.byteLength(inputJson) > maxInputBytes) {
      throw new CogmeshError('payload_too_large', `the input is larger than ${maxInputBytes} bytes; pass a blob`);
    }
    const blobs = [...blobIdsIn(input)];
    assertNotInvented(blobs, plan, scope);
    assertTaken?.(plan, input);
    return { ok: true, input: { inputJson, inputSha256: createHash('sha256').update(inputJson).digest('hex'), blobs } };
  } catch (error) {
    return { ok: false, failure: failureOfThrown(error) };
  }
}

/** A reference must come from data the run was given or its tasks made; one that an expression spells together was never checked. */
function assertNotInvented(blobs: readonly string[], plan: TaskPlan, scope: Scope): void {
  if (blobs.length === 0) return;
  const outputs = Object.values(scope.tasks).map((task) => task.output);
  const known = blobIdsIn([plan.input, scope.input, scope.item ?? null, outputs]);
  const invented = blobs.find((id) => !known.has(id));
  if (invented !== undefined) {
    throw new CogmeshError(
      'permission_denied',
      `the input refers to ${invented}, which no input or output of the run contains`,
    );
  }
}

export function failureOfThrown(error: unknown): Failure {
  if (error instanceof CogmeshError) {
    const { issues } = error.details;
    return failureOf(error.code, error.message, { retryable: false, ...(issues ? { details: { issues } } : {}) });
  }
  return failureOf('invalid_expression', error instanceof Error ? error.message : String(error), { retryable: false });
}
