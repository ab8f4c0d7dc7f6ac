import { Controller, Get, Inject, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { GatewayReadiness } from '../readiness.js';
import { READINESS } from './tokens.js';

/** For whoever runs the gateway; needs no token. */
@Controller()
export class HealthController {
  constructor(@Inject(READINESS) private readonly readiness: GatewayReadiness) {}

  @Get('healthz')
  alive() {
    return { status: 'ok' };
  }

  @Get('readyz')
  async ready(@Res({ passthrough: true }) reply: FastifyReply) {
    const found = await this.readiness.forAnybody();
    reply.status(found.ready ? 200 : 503).header('cache-control', 'no-store');
    return found;
  }
}
