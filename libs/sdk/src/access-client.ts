/** The OpenID AuthZEN Authorization API of the gateway; `CogmeshClient.access` is one. */
import type { CallScope, HttpTransport } from './http-transport.js';
import type {
  AccessAction,
  AccessDecision,
  AccessEntity,
  AccessQuestion,
  AccessSearch,
  DecisionPoint,
  EvaluationsSemantic,
} from './access-views.js';

export class AccessClient {
  readonly #http: HttpTransport;

  constructor(http: HttpTransport) {
    this.#http = http;
  }

  /** May the subject do this? A refusal is a decision, not an error. */
  evaluate(question: AccessQuestion, scope: CallScope = {}): Promise<AccessDecision> {
    return this.#ask('evaluation', question, scope);
  }

  /**
   * Many such questions at once, answered in order. `defaults` stand in for what a question leaves out. With another
   * semantic than `execute_all` (the default) the answers end with the one that settled the matter. With `decisionIds` each
   * answer tells the id of its decision (`context.id`); without, the same questions have the same answer.
   */
  async evaluateAll(
    questions: readonly Partial<AccessQuestion>[],
    options: CallScope & {
      readonly defaults?: Partial<AccessQuestion>;
      readonly semantic?: EvaluationsSemantic;
      readonly decisionIds?: boolean;
    } = {},
  ): Promise<readonly AccessDecision[]> {
    // Without questions the call would mean a single one, made of the defaults.
    if (questions.length === 0) return [];
    const { defaults = {}, semantic, decisionIds, ...scope } = options;
    const wishes = {
      ...(semantic === undefined ? {} : { evaluations_semantic: semantic }),
      ...(decisionIds === undefined ? {} : { decision_ids: decisionIds }),
    };
    const body = {
      ...defaults,
      evaluations: questions,
      ...(Object.keys(wishes).length > 0 ? { options: wishes } : {}),
    };
    return (await this.#ask<{ evaluations: readonly AccessDecision[] }>('evaluations', body, scope)).evaluations;
  }

  /** Who of this type may do this? Page after page; stop iterating to stop asking. */
  subjects(
    search: AccessSearch & {
      readonly subject: { readonly type: string };
      readonly action: AccessAction;
      readonly resource: AccessEntity;
    },
    scope: CallScope = {},
  ): AsyncGenerator<AccessEntity> {
    return this.#pages('search/subject', search, scope);
  }

  /** On which resources of this type may the subject do this? */
  resources(
    search: AccessSearch & {
      readonly subject: AccessEntity;
      readonly action: AccessAction;
      readonly resource: { readonly type: string };
    },
    scope: CallScope = {},
  ): AsyncGenerator<AccessEntity> {
    return this.#pages('search/resource', search, scope);
  }

  /** What may the subject do with the resource? */
  actions(
    search: AccessSearch & { readonly subject: AccessEntity; readonly resource: AccessEntity },
    scope: CallScope = {},
  ): AsyncGenerator<AccessAction> {
    return this.#pages('search/action', search, scope);
  }

  /** Where the decision point is and what it can do. */
  decisionPoint(scope: CallScope = {}): Promise<DecisionPoint> {
    const path = '/.well-known/authzen-configuration';
    return this.#http.json({ method: 'GET', path, repeatable: true, ...scope });
  }

  async *#pages<Found>(path: string, search: AccessSearch, scope: CallScope): AsyncGenerator<Found> {
    const { pageSize, ...question } = search;
    const limit = pageSize === undefined ? {} : { limit: pageSize };
    let token = '';
    do {
      const page = token === '' ? limit : { ...limit, token };
      const answer = await this.#ask<FoundPage<Found>>(path, { ...question, page }, scope);
      yield* answer.results;
      token = answer.page?.next_token ?? '';
    } while (token !== '');
  }

  #ask<T>(path: string, body: unknown, scope: CallScope): Promise<T> {
    return this.#http.json({
      method: 'POST',
      path: `/access/v1/${path}`,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      repeatable: true,
      ...scope,
    });
  }
}

interface FoundPage<Found> {
  readonly page?: { readonly next_token: string };
  readonly results: readonly Found[];
}
