/**
 * What may be asked of the owner of a shard. A command is applied at least once: by the owner directly when it is this
 * process, otherwise from a row that any owner reads until it is done, so its handler must be idempotent.
 */
import { CogmeshError, isErrorCode, toCogmeshError, type ErrorDetails } from '@cogmesh/errors';

/** `Shapes`: for each kind of command its `body` and its `answer`, both JSON. Each resolves when what it did is stored. */
export type CommandHandlers<Shapes> = {
  readonly [Kind in keyof Shapes]: (body: BodyOf<Shapes, Kind>, shard: number) => Promise<AnswerOf<Shapes, Kind>>;
};

export type BodyOf<Shapes, Kind extends keyof Shapes> = Shapes[Kind] extends { readonly body: infer B } ? B : never;
export type AnswerOf<Shapes, Kind extends keyof Shapes> = Shapes[Kind] extends { readonly answer: infer A } ? A : never;

/** Thrown by a handler that finds its shard gone to another replica; whoever owns it now is asked. */
export function shardMoved(shard: number): CogmeshError {
  return new CogmeshError('unavailable', `shard ${shard} has moved to another scheduler; try again`, { moved: true });
}

export function hasMoved(thrown: unknown): boolean {
  return thrown instanceof CogmeshError && thrown.details['moved'] === true;
}

export function errorText(thrown: unknown): string {
  const { code, message, details } = toCogmeshError(thrown);
  return JSON.stringify({ code, message, details });
}

export function errorOfText(text: string): CogmeshError {
  const { code, message, details } = JSON.parse(text) as { code: string; message: string; details: ErrorDetails };
  return new CogmeshError(isErrorCode(code) ? code : 'internal', message, details);
}
