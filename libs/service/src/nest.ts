/** Nest as this product uses it: explicit providers, its logger on ours, its life-cycle hooks, nothing scanned by type metadata. */
import 'reflect-metadata';
import type { DynamicModule, INestApplicationContext, LoggerService, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyServerOptions } from 'fastify';
import type { Logger } from '@cogmesh/telemetry';

type Module = DynamicModule | Type;

/** The built objects of a gRPC-only service under Nest's life cycle; `close()` runs their onApplicationShutdown hooks. */
export function bootModule(module: Module, logger: Logger): Promise<INestApplicationContext> {
  return NestFactory.createApplicationContext(module, { logger: nestLogger(logger), abortOnError: false });
}

/** An HTTP application on Fastify. The caller configures and listens. */
export function bootHttp(
  module: Module,
  logger: Logger,
  fastify: FastifyServerOptions = {},
): Promise<NestFastifyApplication> {
  return NestFactory.create<NestFastifyApplication>(module, new FastifyAdapter(fastify), {
    logger: nestLogger(logger),
    abortOnError: false,
    bodyParser: false,
  });
}

/** Nest's own messages are of interest when debugging a start, and as warnings and errors. */
function nestLogger(logger: Logger): LoggerService {
  const write = (level: 'debug' | 'warn' | 'error' | 'fatal') => (message: unknown, context: unknown) =>
    logger[level]({ nest: typeof context === 'string' ? context : undefined }, String(message));
  return {
    log: write('debug'),
    debug: write('debug'),
    verbose: write('debug'),
    warn: write('warn'),
    error: write('error'),
    fatal: write('fatal'),
  };
}
