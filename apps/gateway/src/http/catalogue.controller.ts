import { Controller, Get, Inject, UseGuards } from '@nestjs/common';
import type { Operations } from '../operations/operations.js';
import { AuthenticationGuard } from './authentication.guard.js';
import { Caller, type HttpCaller } from './caller.js';
import { OPERATIONS } from './tokens.js';
import { agentView, modelView } from './views.js';

/** What is there for this caller: models, agents, and the caller itself. */
@Controller('v1')
@UseGuards(AuthenticationGuard)
export class CatalogueController {
  constructor(@Inject(OPERATIONS) private readonly operations: Operations) {}

  @Get('models')
  async models(@Caller() caller: HttpCaller) {
    return { models: (await this.operations.listModels(caller.ask({}))).map(modelView) };
  }

  @Get('agents')
  async agents(@Caller() caller: HttpCaller) {
    return { agents: (await this.operations.listAgents(caller.ask({}))).map(agentView) };
  }

  @Get('whoami')
  async whoAmI(@Caller() caller: HttpCaller) {
    const { issuer, sub, organisation, roles, attributes } = await this.operations.whoAmI(caller.ask({}));
    return { issuer, sub, organisation, roles, attributes };
  }
}
