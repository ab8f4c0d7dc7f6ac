/**
 * Direct inference: message -> inference -> message. A stream keeps the state of a voice model from one request to the
 * next; on any other model each request of a stream stands alone.
 */
import { inferenceV1 } from '@cogmesh/contracts';
import { CogmeshError, toCogmeshError } from '@cogmesh/errors';
import { parseModelReference } from '@cogmesh/inference-core';
import { implement, type CallContext, type ServiceBinding } from '@cogmesh/rpc';
import { z } from 'zod';
import type { TaskOutput, VoiceState } from '../engine/protocol.js';
import {
  outputValue,
  voiceChunk,
  type Inference,
  type InferenceAnswer,
  type RequestOptions,
} from '../inference/inference.js';
import type { ModelBook, ServedModel } from '../inference/model-book.js';
import {
  parseInput,
  prepareInput,
  prepareTensors,
  type PreparedInput,
  type ReadReference,
} from '../inference/prepare-input.js';
import { samplesOfPcm } from '../media/wav.js';
import { payloadOfTensors, tensorsOfPayload } from './tensor-payload.js';

export interface InferenceRpcOptions {
  readonly models: ModelBook;
  readonly inference: Inference;
  readonly isDraining: () => boolean;
}

/** Time of a request that names none, milliseconds. */
const defaultTimeoutMs = 60_000;
const directPriority = 5;

/** A chunk of a voice stream: 16 kHz PCM16; `end` closes the last segment. */
const voiceInput = z.object({ pcm: z.looseObject({ $bytes: z.string() }), end: z.boolean().default(false) });

export function inferenceRpc(options: InferenceRpcOptions): ServiceBinding {
  return implement(inferenceV1.InferenceService, {
    infer: (request, call) => infer(options, request, call),
    inferStream: (requests, call) => inferStream(options, requests, call),
  });
}

async function infer(options: InferenceRpcOptions, request: inferenceV1.InferRequest, call: CallContext) {
  const served = find(options, request, call);
  const answer = await options.inference.run(served, await preparedOf(served, request), requestOptions(request, call));
  return responseOf(served, answer);
}

async function* inferStream(
  options: InferenceRpcOptions,
  requests: AsyncIterable<inferenceV1.InferStreamRequest>,
  call: CallContext,
) {
  const states = new Map<string, VoiceState>();
  for await (const { request } of requests) {
    try {
      if (!request) throw new CogmeshError('invalid_argument', 'the message holds no request');
      const response = await inferNext(options, { request, states }, call);
      yield { outcome: { case: 'response' as const, value: response } };
    } catch (thrown) {
      const { code, message, retryable, details } = toCogmeshError(thrown);
      yield {
        outcome: { case: 'error' as const, value: { code, message, retryable, detailsJson: JSON.stringify(details) } },
      };
    }
  }
}

async function inferNext(
  options: InferenceRpcOptions,
  { request, states }: { request: inferenceV1.InferRequest; states: Map<string, VoiceState> },
  call: CallContext,
) {
  const served = find(options, request, call);
  const { key, manifest } = served.model;
  const value = request.payload.case === 'inputJson' ? parseInput(request.payload.value) : undefined;
  const chunk = manifest.task === 'audio.vad' ? voiceInput.safeParse(value) : undefined;
  if (!chunk?.success) return infer(options, request, call);
  const { bytes } = await attachments(request)(chunk.data.pcm);
  const state = states.get(key);
  const prepared = voiceChunk({ samples: samplesOfPcm(bytes), final: chunk.data.end, ...(state ? { state } : {}) });
  const answer = await options.inference.run(served, prepared, requestOptions(request, call));
  if (answer.output.kind === 'voice' && !chunk.data.end) states.set(key, answer.output.state);
  else states.delete(key);
  return responseOf(served, answer);
}

/** Throws `permission_denied` when the permit does not name the model, whether or not it exists. */
function find(
  { models, isDraining }: InferenceRpcOptions,
  { model }: inferenceV1.InferRequest,
  { caller }: CallContext,
): ServedModel {
  const { name } = parseModelReference(model);
  const resource = `/models/${name}`;
  const access = caller.kind === 'subject' ? caller.access : [];
  if (!access.some((right) => right.action === 'infer' && right.resource === resource)) {
    throw new CogmeshError('permission_denied', `the permit does not cover infer on ${resource}`, { resource });
  }
  if (isDraining()) throw new CogmeshError('unavailable', 'the worker is draining');
  return models.resolve(model);
}

async function preparedOf(served: ServedModel, request: inferenceV1.InferRequest): Promise<PreparedInput> {
  const { payload } = request;
  switch (payload.case) {
    case 'tensors':
      return prepareTensors(served.model, tensorsOfPayload(payload.value));
    case 'inputJson':
      return prepareInput(served.model, parseInput(payload.value), attachments(request));
    default:
      throw new CogmeshError('invalid_argument', 'the request holds neither tensors nor input_json');
  }
}

/** `{ "$bytes": "<name>" }` names an attachment of the same request. */
function attachments(request: inferenceV1.InferRequest): ReadReference {
  return async ({ $bytes }) => {
    const bytes =
      typeof $bytes === 'string' && Object.hasOwn(request.attachments, $bytes)
        ? request.attachments[$bytes]
        : undefined;
    if (!bytes)
      throw new CogmeshError(
        'invalid_input',
        'a direct call names bytes as { "$bytes": "<attachment>" } and attaches them',
      );
    return { bytes };
  };
}

function requestOptions({ timeoutMs }: inferenceV1.InferRequest, { signal }: CallContext): RequestOptions {
  const time = timeoutMs > 0 ? timeoutMs : defaultTimeoutMs;
  return { priority: directPriority, timeoutMs: time, startWithinMs: time, signal };
}

function responseOf({ model }: ServedModel, { output, batchSize, computeMs }: InferenceAnswer) {
  const { name, version } = model.manifest;
  return { model: name, version, payload: payloadOf(output), batchSize, computeMs };
}

function payloadOf(output: TaskOutput) {
  return output.kind === 'tensors'
    ? { case: 'tensors' as const, value: payloadOfTensors(output.tensors) }
    : { case: 'outputJson' as const, value: JSON.stringify(outputValue(output)) };
}
