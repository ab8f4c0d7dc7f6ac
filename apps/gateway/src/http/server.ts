/**
 * The Fastify side of the HTTP face: limits and time-outs of the listener, bodies left unread for whoever may read them, and
 * one server span per API request. The span is the root of its trace: a caller's `traceparent` comes from outside, so it
 * becomes a link and never decides where our traces hang.
 */
import { readFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { attributeNames, inService, SpanKind, startSpan, traceIdOf, type Logger } from '@cogmesh/telemetry';
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifyServerOptions } from 'fastify';
import type { GatewayConfig } from '../config.js';
import { answerClientError, answerExpectation, isEnding, isLastAnswer } from './client-error.js';
import { applyEdgeRules } from './edge-rules.js';
import { sendProblem } from './problem.filter.js';

/** Longest path parameter, characters; ids are shorter. */
const parameterMaxChars = 256;

/** OpenTelemetry's SpanStatusCode.ERROR. */
const spanStatusError = 2;

export function serverOptions(config: GatewayConfig, logger: Logger): FastifyServerOptions {
  const { headersTimeoutMs, requestTimeoutMs, idleTimeoutMs } = config;
  const http = { headersTimeout: headersTimeoutMs, connectionsCheckingInterval: 1_000, requireHostHeader: false };
  const tls = config.tlsCert === '' ? {} : { cert: readFileSync(config.tlsCert), key: readFileSync(config.tlsKey) };
  return {
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: idleTimeoutMs,
    forceCloseConnections: 'idle',
    exposeHeadRoutes: false,
    clientErrorHandler: answerClientError,
    // What the router refuses (a malformed URL, an endless parameter) meets no Nest filter.
    frameworkErrors: (error, request, reply) => sendProblem(error, { request, reply, logger }),
    routerOptions: { maxParamLength: parameterMaxChars },
    ...(config.tlsCert === '' ? { http } : { https: { ...http, ...tls } }),
  } as FastifyServerOptions;
}

/** The Authorization API's request identifier: the caller's own, given back in every answer, refusals included. */
function echoRequestId({ url, headers }: FastifyRequest, reply: FastifyReply): void {
  const id = headers['x-request-id'];
  if (url.startsWith('/access/v1/') && typeof id === 'string' && id !== '') reply.header('x-request-id', id);
}

export interface PreparedServer {
  /** From now on every answer is the last on its connection, so that a stop need not wait for idle ones. */
  closeConnections(): void;
}

export function prepareServer(instance: FastifyInstance, config: GatewayConfig, logger: Logger): PreparedServer {
  // Beyond a count Node would leave fields out in silence; the size is bounded instead, and the count refused.
  instance.server.maxHeadersCount = 0;
  instance.server.maxConnections = config.maxConnections;
  // A tunnel through us is nothing we offer; without a listener Node would just hang up.
  instance.server.on('connect', (_request, socket: Socket) => answerClientError(new Error('CONNECT'), socket));
  instance.server.on('checkExpectation', (_request, response: ServerResponse) => answerExpectation(response));
  instance.removeAllContentTypeParsers();
  instance.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
  instance.addHook('onRequest', (request, reply, done) => {
    reply.header('x-content-type-options', 'nosniff');
    echoRequestId(request, reply);
    // Sent behind a request that was refused as ambiguous: it may be a part of that one.
    if (isEnding(request.raw.socket)) return void reply.hijack();
    try {
      applyEdgeRules(request.raw);
    } catch (error) {
      // Nobody knows where the next request on this connection begins.
      reply.header('connection', 'close');
      isLastAnswer(request.raw.socket);
      return sendProblem(error, { request, reply, logger });
    }
    // No other protocol is spoken here, and what follows may be of one.
    if (request.headers.upgrade !== undefined) {
      reply.header('connection', 'close');
      isLastAnswer(request.raw.socket);
    }
    if (!request.url.startsWith('/v1/') && !request.url.startsWith('/access/v1/')) return done();
    const route = request.routeOptions.url ?? 'unknown';
    const { traceparent } = request.headers;
    inService('gateway', () => {
      const {
        span,
        traceparent: own,
        run,
      } = startSpan(`${request.method} ${route}`, {
        kind: SpanKind.SERVER,
        parent: 'root',
        links: [typeof traceparent === 'string' ? traceparent : undefined],
        attributes: { [attributeNames.httpMethod]: request.method, [attributeNames.httpRoute]: route },
      });
      reply.header('traceparent', own).header('x-trace-id', traceIdOf(own) ?? '');
      reply.raw.once('close', () => {
        span.setAttribute(attributeNames.httpStatus, reply.raw.statusCode);
        if (reply.raw.statusCode >= 500) span.setStatus({ code: spanStatusError });
        span.end();
      });
      run(done);
    });
  });
  let closing = false;
  instance.addHook('onSend', (_request, reply, payload, done) => {
    if (closing) reply.header('connection', 'close');
    done(null, payload);
  });
  return {
    closeConnections: () => {
      closing = true;
    },
  };
}
