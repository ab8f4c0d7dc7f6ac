/** The token endpoint: RFC 8693 token exchange, and nothing else. Answers in OAuth's words (RFC 6749, section 5). */
import { Body, Controller, Headers, Inject, Post, Req, Res } from '@nestjs/common';
import { CogmeshError } from '@cogmesh/errors';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ExchangeFault } from '../exchange/exchange-fault.js';
import type { ExchangeRequest, TokenExchange } from '../exchange/token-exchange.js';
import { BodyPipe, type BodyReader } from './body.js';
import { presented } from './presented.js';
import { HTTP_SETTINGS, TOKEN_EXCHANGE, type HttpSettings } from './tokens.js';

const grantType = 'urn:ietf:params:oauth:grant-type:token-exchange';
const accessToken = 'urn:ietf:params:oauth:token-type:access_token';
const tokenTypes: readonly (string | undefined)[] = [accessToken, 'urn:ietf:params:oauth:token-type:jwt'];

/** A form with two tokens and little else, bytes. */
const formMaxBytes = 32 * 1024;

@Controller('v1/token')
export class TokenController {
  constructor(
    @Inject(TOKEN_EXCHANGE) private readonly exchange: TokenExchange,
    @Inject(HTTP_SETTINGS) private readonly settings: HttpSettings,
  ) {}

  @Post()
  async token(
    @Headers('content-type') type: string | undefined,
    @Body(BodyPipe) body: BodyReader,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ) {
    reply.header('cache-control', 'no-store').header('pragma', 'no-cache').status(200);
    if (!/^application\/x-www-form-urlencoded(?:;|$)/i.test(type ?? ''))
      throw new CogmeshError('unsupported_media_type', 'send the parameters as application/x-www-form-urlencoded');
    try {
      const form = new URLSearchParams(await body.text(formMaxBytes));
      const done = await this.exchange.exchange({ ...readForm(form), request: presented(request, this.settings) });
      return {
        access_token: done.token,
        issued_token_type: accessToken,
        token_type: done.type,
        expires_in: done.expiresInSeconds,
        scope: done.roles.join(' '),
      };
    } catch (thrown) {
      if (!(thrown instanceof ExchangeFault)) throw thrown;
      reply.status(400);
      return { error: thrown.code, error_description: thrown.message };
    }
  }
}

function readForm(form: URLSearchParams): Omit<ExchangeRequest, 'request'> {
  const one = (name: string): string | undefined => {
    const values = form.getAll(name);
    if (values.length > 1) throw new ExchangeFault('invalid_request', `"${name}" is there more than once`);
    return values[0] || undefined;
  };
  if (one('grant_type') !== grantType) throw new ExchangeFault('unsupported_grant_type', `grant_type is ${grantType}`);
  if (form.has('resource'))
    throw new ExchangeFault('invalid_target', 'name no "resource"; tokens are for all of this API');
  const subjectToken = tokenIn(one, 'subject_token');
  if (subjectToken === undefined) throw new ExchangeFault('invalid_request', '"subject_token" is missing');
  const actorToken = tokenIn(one, 'actor_token');
  const requested = one('requested_token_type');
  if (requested !== undefined && !tokenTypes.includes(requested))
    throw new ExchangeFault('invalid_request', `requested_token_type is ${accessToken}`);
  const [scope, audience] = [one('scope'), one('audience')];
  return {
    subjectToken,
    ...(actorToken === undefined ? {} : { actorToken }),
    ...(scope === undefined ? {} : { scope: scope.split(' ').filter(Boolean) }),
    ...(audience === undefined ? {} : { audience }),
  };
}

/** RFC 8693: the type must be there with the token, and must not without it. */
function tokenIn(one: (name: string) => string | undefined, name: string): string | undefined {
  const [token, type] = [one(name), one(`${name}_type`)];
  if (token === undefined && type === undefined) return undefined;
  if (token !== undefined && tokenTypes.includes(type)) return token;
  throw new ExchangeFault('invalid_request', `"${name}" comes with "${name}_type" ${accessToken}`);
}
