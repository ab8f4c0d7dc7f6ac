import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Admission } from '../admission.js';
import { admitted } from './caller.js';
import { ADMISSION } from './tokens.js';

/** Lets a request in when its token is good and its organisation has requests left. Runs before any body is read. */
@Injectable()
export class AuthenticationGuard implements CanActivate {
  constructor(@Inject(ADMISSION) private readonly admission: Admission) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const verified = await this.admission.admit(request.headers.authorization);
    admitted(request, http.getResponse<FastifyReply>(), verified);
    return true;
  }
}
