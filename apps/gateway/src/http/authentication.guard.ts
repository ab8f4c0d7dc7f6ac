import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Admission } from '../admission.js';
import { admitted } from './caller.js';
import { presented } from './presented.js';
import { ADMISSION, HTTP_SETTINGS, type HttpSettings } from './tokens.js';

/** Lets a request in when its token is good and its organisation has requests left. Runs before any body is read. */
@Injectable()
export class AuthenticationGuard implements CanActivate {
  constructor(
    @Inject(ADMISSION) private readonly admission: Admission,
    @Inject(HTTP_SETTINGS) private readonly settings: HttpSettings,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const purpose = request.url.startsWith('/access/v1/') ? 'decisions' : 'anything';
    const shown = presented(request, this.settings);
    const verified = await this.admission.admit(request.headers.authorization, shown, purpose);
    admitted(request, http.getResponse<FastifyReply>(), verified);
    return true;
  }
}
