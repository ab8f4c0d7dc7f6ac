/**
 * One call from first header to last trailer: read, check, forward, and a span around it. A call that may not pass never reaches the
 * service, not even its headers.
 */
import { sensitiveHeaders, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { toCogmeshError } from '@cogmesh/errors';
import { anonymousMethods, sidecarProofHeader } from '@cogmesh/enforcement';
import { attributeNames, failSpan, SpanKind, startSpan, type Logger } from '@cogmesh/telemetry';
import type { Peer } from '@cogmesh/rpc';
import { isGrpc, readCall, type Call } from './call.js';
import { forward } from './forward.js';
import { forwardedHeaders } from './headers.js';
import { refuse } from './refusal.js';
import type { Router } from './router.js';

export interface ProxyOptions {
  readonly router: Router;
  readonly limits: { readonly maxHeaderBytes: number; readonly maxBodyBytes: number };
  readonly logger: Logger;
}

interface Exchange {
  readonly inbound: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
  readonly call: Call;
  /** Parent of what the service records; absent when nothing is recorded here. */
  readonly traceparent?: string;
}

/** Different in every call: in the compression table of the connection they would push out what repeats. */
const neverIndexed = [sidecarProofHeader, 'traceparent'];

export class Proxy {
  readonly #options: ProxyOptions;

  constructor(options: ProxyOptions) {
    this.#options = options;
  }

  /** Never throws; every outcome is an answer on the stream. */
  async serve(inbound: ServerHttp2Stream, headers: IncomingHttpHeaders, peer?: Peer): Promise<void> {
    inbound.on('error', () => {});
    try {
      const read = readCall(headers, this.#options.limits.maxHeaderBytes);
      const call = peer === undefined ? read : { ...read, peer };
      if (anonymousMethods.has(call.method)) await this.#pass({ inbound, headers, call });
      else await this.#traced({ inbound, headers, call });
    } catch (error) {
      this.#refuse(inbound, headers, error);
    }
  }

  async #traced(exchange: Exchange): Promise<void> {
    const { method, metadata } = exchange.call;
    const { span, traceparent, run } = startSpan(method.slice(1) as `${string}/${string}`, {
      kind: SpanKind.SERVER,
      parent: metadata.get('traceparent') ?? 'root',
      attributes: { [attributeNames.rpcSystem]: 'grpc', [attributeNames.rpcMethod]: method },
    });
    try {
      await run(() => this.#pass({ ...exchange, traceparent }));
    } catch (error) {
      failSpan(span, error);
      throw error;
    } finally {
      span.end();
    }
  }

  async #pass({ inbound, headers, call, traceparent }: Exchange): Promise<void> {
    const { upstream, prove, follow } = await this.#options.router.route(call);
    const authorization = call.metadata.get('authorization') ?? '';
    const outbound = await upstream.request({
      ...forwardedHeaders(headers),
      ...(traceparent === undefined ? {} : { traceparent }),
      [sidecarProofHeader]: prove({ method: call.method, authorization }),
      [sensitiveHeaders]: neverIndexed,
    });
    if (inbound.destroyed || inbound.closed) {
      outbound.on('error', () => {});
      outbound.close(inbound.rstCode);
      return;
    }
    const { maxBodyBytes } = this.#options.limits;
    const failure = await forward(inbound, outbound, { grpc: isGrpc(headers), maxBodyBytes, follow });
    if (failure !== undefined) throw failure;
  }

  #refuse(inbound: ServerHttp2Stream, headers: IncomingHttpHeaders, thrown: unknown): void {
    const error = toCogmeshError(thrown);
    const level = error.code === 'internal' ? 'error' : 'debug';
    this.#options.logger[level]({ code: error.code, rpc: headers[':path'], err: error.cause }, error.message);
    refuse(inbound, error, isGrpc(headers));
  }
}
