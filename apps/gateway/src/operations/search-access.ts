/**
 * The Authorization API's searches: who may, on what, what may be done. The policy service enumerates what policies name;
 * models, tools and agents that are served now are the registry's to name. Only what a decision allows is told.
 */
import { policySearchV1, type registryV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { Asker } from '../authzen/asker.js';
import { placeOf, tokenFor } from '../authzen/page-token.js';
import { questioner } from '../authzen/question.js';
import type { SearchRequest, Target } from '../authzen/search-request.js';
import { assertMayAsk, rightToAsk } from './evaluate-access.js';
import { servedModels } from './list-models.js';
import type { Operation } from './operation.js';
import { inside } from './permitted-calls.js';
import type { OperationPorts } from './ports.js';
import { questionMessage } from './question-message.js';

export interface FoundPage {
  /** Ids of subjects or resources, or names of actions. */
  readonly found: readonly string[];
  /** Empty at the end. */
  readonly nextToken: string;
}

type Ports = Pick<OperationPorts, 'decisions' | 'askers' | 'registry' | 'search'>;

const targets: Readonly<Record<Target, policySearchV1.SearchTarget>> = {
  subject: policySearchV1.SearchTarget.SUBJECT,
  resource: policySearchV1.SearchTarget.RESOURCE,
  action: policySearchV1.SearchTarget.ACTION,
};

/** SearchRequest's own limit. */
const candidatesMax = 10_000;
const searchDeadlineMs = 10_000;

export function searchAccess(ports: Ports): Operation<SearchRequest, FoundPage> {
  return async ({ subject, input, signal }) => {
    const place = placeOf(input, subject);
    const asker = new Asker(subject, ports.askers);
    const question = questioner(asker)(input.evaluation);
    await assertMaySearch(ports, { asker, input, signal, subject });
    const { ids, nextCursor, hasMore } = await inside('policy', async () =>
      ports.search.search(
        {
          target: targets[input.target],
          request: questionMessage(question),
          subjectType: input.evaluation.subject.type,
          candidates: await candidatesFor(ports.registry, input, subject.organisation),
          limit: place.limit,
          cursor: place.cursor,
        },
        { signal, deadlineMs: searchDeadlineMs },
      ),
    );
    const nextToken = hasMore ? tokenFor(input, subject, { limit: place.limit, cursor: nextCursor }) : '';
    return { found: ids, nextToken };
  };
}

type Search = Pick<Parameters<Operation<SearchRequest, FoundPage>>[0], 'subject' | 'input' | 'signal'> & {
  readonly asker: Asker;
};

async function assertMaySearch({ decisions }: Ports, { asker, input, signal, subject }: Search): Promise<void> {
  const aboutItself = input.target !== 'subject' && asker.isItself(input.evaluation.subject);
  if (asker.isEnforcementPoint || aboutItself) return;
  const [answer] = await decisions.ask([rightToAsk(subject)], signal);
  assertMayAsk(answer);
}

/** Resources that are there because something serves them. */
async function candidatesFor(
  registry: OperationPorts['registry'],
  { target, evaluation }: SearchRequest,
  organisation: string,
): Promise<string[]> {
  const { type } = evaluation.resource;
  if (target !== 'resource' || !['model', 'tool', 'agent'].includes(type)) return [];
  const { agents } = await inside('registry', () => registry.listAgents({}));
  const names = [...new Set(namesOf(type, agents, organisation))];
  if (names.length > candidatesMax)
    throw new CogmeshError('overloaded', `more than ${candidatesMax} resources of type ${type} are served`);
  return names;
}

function namesOf(type: string, agents: readonly registryV1.Agent[], organisation: string): string[] {
  if (type === 'model') return servedModels(agents).map(({ name }) => name);
  if (type === 'agent') return agents.filter((agent) => agent.organisation === organisation).map(({ id }) => id);
  const capabilities = agents.flatMap((agent) => agent.capabilities.map(({ name }) => name));
  return capabilities.filter((name) => name.startsWith('tool:')).map((name) => name.slice('tool:'.length));
}
