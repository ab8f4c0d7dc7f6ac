/** The OpenID AuthZEN Authorization API 1.0: decisions for enforcement points that are not ours. */
import { Body, Controller, Get, Head, Header, Headers, HttpCode, Inject, Param, Post, UseGuards } from '@nestjs/common';
import { CogmeshError } from '@cogmesh/errors';
import { decisionView, errorView, type DecisionView } from '../authzen/decision-view.js';
import { readEvaluation, readEvaluations, type Evaluation, type Semantic } from '../authzen/evaluation-request.js';
import { parseIJson, type JsonObject } from '../authzen/i-json.js';
import { metadataFor } from '../authzen/metadata.js';
import { readSearch, type Target } from '../authzen/search-request.js';
import type { AccessAnswer } from '../operations/evaluate-access.js';
import type { Operations } from '../operations/operations.js';
import { AuthenticationGuard } from './authentication.guard.js';
import { BodyPipe, type BodyReader } from './body.js';
import { Caller, type HttpCaller } from './caller.js';
import { HTTP_SETTINGS, OPERATIONS, type HttpSettings } from './tokens.js';

@Controller('access/v1')
@UseGuards(AuthenticationGuard)
export class AuthzenController {
  constructor(
    @Inject(OPERATIONS) private readonly operations: Operations,
    @Inject(HTTP_SETTINGS) private readonly settings: HttpSettings,
  ) {}

  @Post('evaluation')
  @HttpCode(200)
  async evaluation(
    @Caller() caller: HttpCaller,
    @Headers('content-type') type: string | undefined,
    @Body(BodyPipe) body: BodyReader,
  ) {
    return this.#one(caller, readEvaluation(await this.#read(type, body)));
  }

  @Post('evaluations')
  @HttpCode(200)
  async evaluations(
    @Caller() caller: HttpCaller,
    @Headers('content-type') type: string | undefined,
    @Body(BodyPipe) body: BodyReader,
  ) {
    const asked = readEvaluations(await this.#read(type, body), this.settings.authzenEvaluations);
    if (!('evaluations' in asked)) return this.#one(caller, asked);
    const answers = await this.operations.evaluateAccess(caller.ask({ evaluations: asked.evaluations }));
    const views = answers.map((answer) => viewOf(answer, asked.withIds));
    return { evaluations: upToTrigger(views, asked.semantic) };
  }

  @Post('search/subject')
  @HttpCode(200)
  subjects(
    @Caller() caller: HttpCaller,
    @Headers('content-type') type: string | undefined,
    @Body(BodyPipe) body: BodyReader,
  ) {
    return this.#search(caller, 'subject', this.#read(type, body));
  }

  @Post('search/resource')
  @HttpCode(200)
  resources(
    @Caller() caller: HttpCaller,
    @Headers('content-type') type: string | undefined,
    @Body(BodyPipe) body: BodyReader,
  ) {
    return this.#search(caller, 'resource', this.#read(type, body));
  }

  @Post('search/action')
  @HttpCode(200)
  actions(
    @Caller() caller: HttpCaller,
    @Headers('content-type') type: string | undefined,
    @Body(BodyPipe) body: BodyReader,
  ) {
    return this.#search(caller, 'action', this.#read(type, body));
  }

  async #read(mediaType: string | undefined, body: BodyReader): Promise<JsonObject> {
    const type = mediaType?.split(';', 1)[0]?.trim().toLowerCase();
    // 400, not 415: the Authorization API's certification asks for it.
    if (type !== 'application/json')
      throw new CogmeshError('invalid_argument', 'content-type: send the body as application/json');
    return parseIJson(await body.text(this.settings.jsonBodyBytes));
  }

  async #one(caller: HttpCaller, evaluation: Evaluation): Promise<DecisionView> {
    const [answer] = await this.operations.evaluateAccess(caller.ask({ evaluations: [evaluation] }));
    if (answer === undefined || answer instanceof CogmeshError)
      throw answer ?? new CogmeshError('internal', 'no answer to an evaluation');
    return decisionView(answer);
  }

  async #search(caller: HttpCaller, target: Target, body: Promise<JsonObject>) {
    const search = readSearch(await body, target);
    const { found, nextToken } = await this.operations.searchAccess(caller.ask(search));
    const { subject, resource } = search.evaluation;
    const type = target === 'subject' ? subject.type : resource.type;
    return {
      page: { next_token: nextToken, count: found.length },
      results: target === 'action' ? found.map((name) => ({ name })) : found.map((id) => ({ type, id })),
    };
  }
}

const viewOf = (answer: AccessAnswer, withId: boolean): DecisionView =>
  answer instanceof CogmeshError ? errorView(answer) : decisionView(answer, withId);

const triggers: Readonly<Record<Semantic, boolean | undefined>> = {
  execute_all: undefined,
  deny_on_first_deny: false,
  permit_on_first_permit: true,
};

/** All of them, or those up to the first that settles the matter. */
function upToTrigger(views: readonly DecisionView[], semantic: Semantic): readonly DecisionView[] {
  const trigger = triggers[semantic];
  const last = trigger === undefined ? -1 : views.findIndex(({ decision }) => decision === trigger);
  return last === -1 ? views : views.slice(0, last + 1);
}

/** Where the decision point is and what it can do; needs no token. */
@Controller('.well-known')
export class AuthzenMetadataController {
  constructor(@Inject(HTTP_SETTINGS) private readonly settings: HttpSettings) {}

  @Get('authzen-configuration')
  @Header('cache-control', 'public, max-age=300')
  @Header('vary', 'host')
  metadata(@Headers('host') host: string | undefined) {
    return metadataFor(this.settings.authzenMetadata, host);
  }

  @Get('authzen-configuration/:tenant')
  @Header('cache-control', 'public, max-age=300')
  @Header('vary', 'host')
  tenantMetadata(@Headers('host') host: string | undefined, @Param('tenant') tenant: string) {
    return metadataFor(this.settings.authzenMetadata, host, tenant);
  }

  @Head('authzen-configuration')
  @Header('content-type', 'application/json; charset=utf-8')
  metadataHead(@Headers('host') host: string | undefined) {
    void this.metadata(host);
  }

  @Head('authzen-configuration/:tenant')
  @Header('content-type', 'application/json; charset=utf-8')
  tenantMetadataHead(@Headers('host') host: string | undefined, @Param('tenant') tenant: string) {
    void this.tenantMetadata(host, tenant);
  }
}
