/** Opens ONNX models for one engine: the file is held against its digest, then loaded with one thread and no spinning. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { CogmeshError } from '@cogmesh/errors';
import type { ReportedSignature, ReportedTensor } from '@cogmesh/inference-core';
import type { Datatype } from '@cogmesh/tensors';
import { InferenceSession, type Tensor } from 'onnxruntime-node';
import type { FileToLoad } from './protocol.js';

/** One thread: engines are as many as the cores meant for them. Spinning would burn those cores while idle. */
const sessionOptions: InferenceSession.SessionOptions = {
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  // Patterns are kept per input shape, and every line of text has its own: they cost 100 MB and gain nothing here.
  enableMemPattern: false,
  graphOptimizationLevel: 'all',
  extra: { session: { intra_op: { allow_spinning: '0' } } },
};

/** The file's bytes if they are the ones the manifest promises; `invalid_model` otherwise. */
export async function readVerified(file: FileToLoad): Promise<Uint8Array> {
  const bytes = await readFile(file.path).catch((thrown: unknown) => {
    throw new CogmeshError('invalid_model', `${file.path} cannot be read`, { path: file.path }, { cause: thrown });
  });
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  if (sha256 !== file.sha256) {
    throw new CogmeshError('invalid_model', `${file.path} is not the file its manifest names`, {
      expected: file.sha256,
      got: sha256,
    });
  }
  return bytes;
}

export async function openSession(file: FileToLoad): Promise<InferenceSession> {
  const bytes = await readVerified(file);
  try {
    return await InferenceSession.create(bytes, sessionOptions);
  } catch (thrown) {
    throw new CogmeshError(
      'invalid_model',
      `${file.path}: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
    );
  }
}

/** What the file says of its inputs and outputs. */
export function signatureOf(session: InferenceSession): ReportedSignature {
  return { inputs: session.inputMetadata.map(reportedTensor), outputs: session.outputMetadata.map(reportedTensor) };
}

function reportedTensor(metadata: InferenceSession.ValueMetadata): ReportedTensor {
  if (!metadata.isTensor) throw new CogmeshError('invalid_model', `${metadata.name} is no tensor`);
  const shape = metadata.shape.map((size) => (typeof size === 'number' && size >= 0 ? size : -1));
  return { name: metadata.name, datatype: datatypeOf(metadata.type), shape };
}

const datatypesByOnnxName: Partial<Record<Tensor.Type, Datatype>> = {
  bool: 'BOOL',
  int8: 'INT8',
  int16: 'INT16',
  int32: 'INT32',
  int64: 'INT64',
  uint8: 'UINT8',
  uint16: 'UINT16',
  uint32: 'UINT32',
  uint64: 'UINT64',
  float16: 'FP16',
  float32: 'FP32',
  float64: 'FP64',
  string: 'BYTES',
};

/** The protocol's name for a runtime type; `invalid_model` for one the protocol has no name for. */
export function datatypeOf(type: Tensor.Type): Datatype {
  const datatype = datatypesByOnnxName[type];
  if (!datatype) throw new CogmeshError('invalid_model', `tensors of type ${type} are not supported`);
  return datatype;
}

/** The runtime's name for a datatype. */
export function onnxTypeOf(datatype: Datatype): Tensor.Type {
  const found = Object.entries(datatypesByOnnxName).find(([, name]) => name === datatype);
  return found?.[0] as Tensor.Type;
}
