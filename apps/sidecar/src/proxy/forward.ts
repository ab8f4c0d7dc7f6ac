/**
 * Joins one inbound and one outbound stream: data both ways with each side's flow control holding back the other, headers and trailers
 * back, and an end on one side that is seen on the other: half-close, cancel, reset, loss of the connection.
 */
import {
  constants,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import { CogmeshError, toCogmeshError } from '@cogmesh/errors';
import type { FollowCall } from '@cogmesh/rpc';
import { returnedHeaders } from './headers.js';
import { refuse, statusTrailers } from './refusal.js';

export interface ForwardOptions {
  readonly grpc: boolean;
  /** Bytes the caller may send in all; 0 means no limit. */
  readonly maxBodyBytes: number;
  /** Ends the call when its right does. */
  readonly follow?: FollowCall | undefined;
}

/** Settles when both streams are closed; with the error that ended the call early, if one did. */
export function forward(
  inbound: ServerHttp2Stream,
  outbound: ClientHttp2Stream,
  options: ForwardOptions,
): Promise<CogmeshError | undefined> {
  return new Forwarding(inbound, outbound, options).run();
}

class Forwarding {
  #trailers: OutgoingHttpHeaders | undefined;
  #answered = false;
  #failure: CogmeshError | undefined;
  #receivedBytes = 0;

  constructor(
    private readonly inbound: ServerHttp2Stream,
    private readonly outbound: ClientHttp2Stream,
    private readonly options: ForwardOptions,
  ) {}

  run(): Promise<CogmeshError | undefined> {
    this.#sendRequest();
    this.#returnAnswer();
    const stop = this.options.follow?.((why) => this.#revoke(why));
    return new Promise((resolve) => {
      this.inbound.once('close', () => {
        stop?.();
        this.#closeOutbound();
        resolve(this.#failure);
      });
    });
  }

  #sendRequest(): void {
    const { inbound, outbound, options } = this;
    // Resets surface as 'close'; an unhandled 'error' would take the process down.
    inbound.on('error', () => {});
    if (options.maxBodyBytes > 0) inbound.on('data', (chunk: Buffer) => this.#count(chunk));
    inbound.pipe(outbound);
  }

  #count(chunk: Buffer): void {
    this.#receivedBytes += chunk.length;
    const { maxBodyBytes } = this.options;
    if (this.#receivedBytes <= maxBodyBytes) return;
    this.inbound.unpipe(this.outbound);
    this.outbound.close(constants.NGHTTP2_CANCEL);
    this.#fail(
      new CogmeshError('payload_too_large', `one call may send at most ${maxBodyBytes} bytes through this sidecar`, {
        limitBytes: maxBodyBytes,
      }),
    );
  }

  #revoke(why: unknown): void {
    const { inbound, outbound } = this;
    outbound.unpipe(inbound);
    this.#fail(toCogmeshError(why));
    outbound.close(constants.NGHTTP2_CANCEL);
  }

  #returnAnswer(): void {
    const { inbound, outbound } = this;
    outbound.on('error', () => {});
    outbound.once('response', (headers, flags) =>
      this.#respond(headers, (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0),
    );
    outbound.once('trailers', (trailers) => {
      this.#trailers = returnedHeaders(trailers);
    });
    outbound.once('end', () => {
      this.#answered = this.#answered || inbound.headersSent;
    });
    outbound.once('close', () => {
      if (!this.#answered) this.#fail(this.#lossOf());
    });
    inbound.on('wantTrailers', () => {
      // A service that went away in the middle of its answer has not said how the call ended.
      if (this.options.grpc && this.#trailers === undefined) this.#fail(lost);
      if (this.#trailers === undefined) inbound.close(constants.NGHTTP2_NO_ERROR);
      else inbound.sendTrailers(this.#trailers);
    });
  }

  #respond(headers: IncomingHttpHeaders, isComplete: boolean): void {
    const { inbound, outbound } = this;
    if (inbound.destroyed || inbound.closed) return;
    if (isComplete) {
      this.#answered = true;
      inbound.respond(returnedHeaders(headers), { endStream: true });
      return;
    }
    inbound.respond(returnedHeaders(headers), { waitForTrailers: true });
    outbound.pipe(inbound);
  }

  #fail(error: CogmeshError): void {
    const { inbound } = this;
    this.#failure ??= error;
    this.#answered = true;
    if (inbound.destroyed || inbound.closed) return;
    if (!inbound.headersSent) {
      refuse(inbound, error, this.options.grpc);
    } else if (this.options.grpc) {
      this.#trailers = statusTrailers(error);
      inbound.end();
    } else {
      inbound.close(constants.NGHTTP2_INTERNAL_ERROR);
    }
  }

  /** What the end of the outbound stream without an answer means. */
  #lossOf(): CogmeshError {
    const { outbound } = this;
    const { rstCode = constants.NGHTTP2_NO_ERROR } = outbound;
    if (outbound.session === undefined || outbound.session.destroyed || outbound.session.closed) return lost;
    if (rstCode === constants.NGHTTP2_CANCEL) return new CogmeshError('cancelled', 'the service ended the call');
    if (rstCode === constants.NGHTTP2_ENHANCE_YOUR_CALM)
      return new CogmeshError('overloaded', 'the service asks for fewer calls');
    return lost;
  }

  #closeOutbound(): void {
    const { inbound, outbound } = this;
    if (outbound.closed || outbound.destroyed) return;
    const wasReset = inbound.rstCode !== undefined && inbound.rstCode !== constants.NGHTTP2_NO_ERROR;
    if (wasReset) outbound.close(inbound.rstCode);
    else outbound.close(this.#answered ? constants.NGHTTP2_NO_ERROR : constants.NGHTTP2_CANCEL);
  }
}

const lost = new CogmeshError('unavailable', 'the service behind the sidecar went away during the call', {
  retryAfterSeconds: 1,
});
