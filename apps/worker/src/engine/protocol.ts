/**
 * What the worker and an engine process say to each other over the fork's channel (structured clone). The worker sends
 * requests; the engine handles them strictly one after the other and answers each that has an id exactly once.
 */
import type { ErrorCode, ErrorDetails } from '@cogmesh/errors';
import type { ModelManifest, ReportedSignature } from '@cogmesh/inference-core';
import type { Tensor } from '@cogmesh/tensors';

export interface FileToLoad {
  readonly path: string;
  readonly sha256: string;
}

export interface ModelToLoad {
  /** `acme/ppocr-detect@4.0.0`. */
  readonly key: string;
  readonly manifest: ModelManifest;
  readonly file: FileToLoad;
  readonly assets: Readonly<Record<string, FileToLoad>>;
}

/** Bytes a typed task reads: shelved in the engine beforehand, or here. */
export type Payload = { readonly shelved: string } | { readonly bytes: Uint8Array };

/** A corner, picture pixels. */
export type Point = readonly [x: number, y: number];

export interface TextBox {
  /** Top left, top right, bottom right, bottom left. */
  readonly points: readonly [Point, Point, Point, Point];
  readonly score: number;
}

/** What a voice stream carries from one chunk to the next; opaque to the worker. */
export interface VoiceState {
  readonly model: Float32Array;
  /** Samples received but not yet a full window, behind the model's context. */
  readonly pending: Int16Array;
  readonly segmenter: Readonly<Record<string, number | boolean>>;
}

export type TaskInput =
  | { readonly task: 'tensors'; readonly tensors: readonly Tensor[] }
  | { readonly task: 'ocr.detect'; readonly image: Payload }
  | { readonly task: 'ocr.recognize'; readonly image: Payload; readonly box: TextBox }
  | { readonly task: 'audio.vad'; readonly audio: Payload }
  | {
      readonly task: 'audio.vad.chunk';
      readonly samples: Int16Array;
      readonly state?: VoiceState;
      readonly final: boolean;
    };

/** A typed task's answer is JSON; raw tensors and a voice stream's state are not. */
export type TaskOutput =
  | { readonly kind: 'json'; readonly value: unknown }
  | { readonly kind: 'tensors'; readonly tensors: readonly Tensor[] }
  | { readonly kind: 'voice'; readonly value: unknown; readonly state: VoiceState };

export interface EngineFailure {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: ErrorDetails;
}

export type ItemOutcome =
  { readonly ok: true; readonly value: TaskOutput } | { readonly ok: false; readonly error: EngineFailure };

export interface ScriptToRun {
  readonly source: string;
  readonly inputJson: string;
  readonly timeoutMs: number;
  readonly memoryBytes: number;
  readonly maxOutputBytes: number;
}

/** Requests by kind, with what each is answered. */
export interface EngineCalls {
  load: {
    request: { readonly model: ModelToLoad };
    answer: { readonly signature: ReportedSignature; readonly loadMs: number };
  };
  warm: { request: { readonly model: string }; answer: { readonly warmMs: number } };
  unload: { request: { readonly model: string }; answer: null };
  run: { request: { readonly model: string; readonly items: readonly TaskInput[] }; answer: RunAnswer };
  script: { request: { readonly script: ScriptToRun }; answer: { readonly outputJson: string } };
}

export interface RunAnswer {
  readonly outcomes: readonly ItemOutcome[];
  readonly computeMs: number;
}

export type EngineCallKind = keyof EngineCalls;

export type EngineRequest =
  | { [K in EngineCallKind]: { readonly kind: K; readonly id: number } & EngineCalls[K]['request'] }[EngineCallKind]
  /** Keeps bytes for the runs that name them; without an answer. */
  | { readonly kind: 'shelve'; readonly key: string; readonly bytes: Uint8Array }
  | { readonly kind: 'clear'; readonly key: string };

export type EngineReply =
  | { readonly kind: 'ready' }
  | { readonly kind: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'failure'; readonly id: number; readonly error: EngineFailure };
