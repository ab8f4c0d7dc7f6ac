/**
 * Types of the RPC layer: what an implementation and a client look like for a protobuf-es service descriptor, and what a
 * handler may know about its call.
 */
import type { DescMethod, DescService, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import type { Peer } from './transport-security.js';

/** One right a permit carries: the action on the resource was allowed when it was minted. */
export interface Access {
  readonly action: string;
  /** `/models/acme/ppocr-detect`, canonical. */
  readonly resource: string;
  /** What the decision rested on that no policy holds; absent when nothing was asked. */
  readonly informed?: Informed;
}

/** Attributes of a resource as they were when it was decided about. */
export interface Informed {
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Milliseconds since 1970 from which they count no more. */
  readonly untilMs: number;
}

/** The person or program outside, as the issuer registry knows it. */
export interface OutsideSubject {
  readonly issuer: string;
  readonly sub: string;
  readonly organisation: string;
  readonly roles: readonly string[];
  /** The outside token's `jti`; empty when it has none. */
  readonly tokenId: string;
  /** `kid` of the key that verified the token; empty when it named none, absent when nobody said. */
  readonly keyId?: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Who acts for the subject, the current actor first; absent where nobody does. */
  readonly actors?: readonly Actor[];
}

/** Calls `end` once, with the refusal, when the call may not go on. Answers how to stop following. */
export type FollowCall = (end: (why: unknown) => void) => () => void;

/** Somebody who acts for a subject (RFC 8693). */
export interface Actor {
  readonly issuer: string;
  readonly sub: string;
  readonly organisation: string;
  /** `jti` and `kid` of the token it presented; empty when there was none. */
  readonly tokenId: string;
  readonly keyId: string;
}

/** Who calls, as the enforcement in front of the handler established it. */
export type Caller =
  | { readonly kind: 'service'; readonly service: string }
  | {
      readonly kind: 'subject';
      readonly subject: OutsideSubject;
      readonly access: readonly Access[];
      readonly permitId: string;
      /** Types of obligations that the gateway has met for this call. */
      readonly met?: readonly string[];
      /** For a call that lasts; absent where somebody in front does it. */
      readonly follow?: FollowCall;
    }
  | { readonly kind: 'anonymous' };

export interface CallContext {
  /** `/cogmesh.scheduler.v1.SchedulerService/SubmitRun`. */
  readonly method: string;
  /** Lower-case names; the first value of each. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Aborted when the client cancels, disconnects, or its deadline passes. */
  readonly signal: AbortSignal;
  readonly caller: Caller;
}

/** Decides who calls before the handler sees a byte of the body; throws a CogmeshError to refuse. */
export type Authenticate = (call: {
  readonly method: string;
  readonly metadata: ReadonlyMap<string, string>;
  /** Name under which the server was called (`:authority`). */
  readonly authority?: string;
  /** Who is at the other end of the connection; absent without mutual TLS. */
  readonly peer?: Peer;
}) => Caller | Promise<Caller>;

type Input<M extends DescMethod> = MessageShape<M['input']>;
type OutputInit<M extends DescMethod> = MessageInitShape<M['output']>;

type Handler<M extends DescMethod> = M['methodKind'] extends 'unary'
  ? (request: Input<M>, call: CallContext) => Promise<OutputInit<M>>
  : M['methodKind'] extends 'server_streaming'
    ? (request: Input<M>, call: CallContext) => AsyncIterable<OutputInit<M>>
    : M['methodKind'] extends 'client_streaming'
      ? (requests: AsyncIterable<Input<M>>, call: CallContext) => Promise<OutputInit<M>>
      : (requests: AsyncIterable<Input<M>>, call: CallContext) => AsyncIterable<OutputInit<M>>;

/** One function per method of the service, by the method's local name (`submitRun`). */
export type ServiceImplementation<S extends DescService> = {
  readonly [K in keyof S['method']]: Handler<S['method'][K]>;
};

export interface CallOptions {
  /** Milliseconds until the call fails with `timeout`. Default 10,000 for unary calls, none for streams. */
  readonly deadlineMs?: number;
  /** Sent as they are, names lower-case. `authorization` here wins over the channel's. */
  readonly metadata?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

type RequestInit<M extends DescMethod> = MessageInitShape<M['input']>;
type Answer<M extends DescMethod> = MessageShape<M['output']>;

type Method<M extends DescMethod> = M['methodKind'] extends 'unary'
  ? (request: RequestInit<M>, options?: CallOptions) => Promise<Answer<M>>
  : M['methodKind'] extends 'server_streaming'
    ? (request: RequestInit<M>, options?: CallOptions) => AsyncIterable<Answer<M>>
    : M['methodKind'] extends 'client_streaming'
      ? (requests: AsyncIterable<RequestInit<M>>, options?: CallOptions) => Promise<Answer<M>>
      : (requests: AsyncIterable<RequestInit<M>>, options?: CallOptions) => AsyncIterable<Answer<M>>;

/** A typed client: failures are CogmeshErrors with the server's code, message and details. */
export type Client<S extends DescService> = { readonly [K in keyof S['method']]: Method<S['method'][K]> };
