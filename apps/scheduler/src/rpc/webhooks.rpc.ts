/** Webhooks of the caller's organisation. A secret is told once, to whoever makes the webhook. */
import { randomBytes } from 'node:crypto';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { schedulerV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { assertPublicHost, type CallContext, type ServiceImplementation } from '@cogmesh/rpc';
import type { RunState } from '@cogmesh/scheduling-core';
import type { SqlWebhooks } from '../adapters/sql-webhooks.js';
import type { DeliveryRow, WebhookRow } from '../model/webhook.js';
import { subjectOf } from './caller.js';
import { cursorAfter, pageOf } from './page.js';
import { runStateOf, runStates } from './to-proto.js';

export interface WebhooksRpcContext {
  readonly webhooks: SqlWebhooks;
  readonly newId: () => string;
  /** Plain http and addresses inside the network are allowed. */
  readonly allowPrivate: boolean;
  /** A webhook was resumed: what waited may go. */
  readonly onPut: () => void;
}

type Methods = 'putWebhook' | 'listWebhooks' | 'deleteWebhook' | 'listDeliveries';

/** Webhooks of one organisation: each costs every run of it a delivery. */
const maxWebhooks = 100;
const maxUrlLength = 2_048;
const maxLabels = 64;
const secretBytes = 32;

export function webhooksRpc(
  context: WebhooksRpcContext,
): Pick<ServiceImplementation<typeof schedulerV1.SchedulerService>, Methods> {
  const { webhooks } = context;
  return {
    putWebhook: ({ webhook }, call) => put(context, webhook, call),
    listWebhooks: async (_request, call) => {
      const rows = await webhooks.list(subjectOf(call).subject.organisation);
      return { webhooks: rows.map((row) => webhookMessage(row)) };
    },
    deleteWebhook: async ({ webhookId }, call) => {
      if (await webhooks.delete(webhookId, subjectOf(call).subject.organisation)) return {};
      throw unknown(webhookId);
    },
    listDeliveries: async ({ webhookId, page }, call) => {
      const { organisation } = subjectOf(call).subject;
      const { limit, before } = pageOf(page);
      if (!(await webhooks.list(organisation)).some(({ id }) => id === webhookId)) throw unknown(webhookId);
      const rows = await webhooks.deliveries(webhookId, organisation, { limit, before });
      return { deliveries: rows.map(deliveryMessage), nextCursor: cursorAfter(rows, limit) };
    },
  };
}

async function put(context: WebhooksRpcContext, webhook: schedulerV1.Webhook | undefined, call: CallContext) {
  if (!webhook) throw new CogmeshError('invalid_argument', 'there is no webhook to put');
  const { organisation, sub } = subjectOf(call).subject;
  const id = webhook.id === '' ? context.newId() : webhook.id;
  const row = {
    id,
    organisation,
    url: urlOf(webhook.url, context.allowPrivate),
    states: JSON.stringify(statesOf(webhook.states)),
    labels: JSON.stringify(labelsOf(webhook.labels)),
    paused: webhook.paused ? 1 : 0,
  };
  if (webhook.id === '') return { webhook: await create(context, row, sub) };
  if (!(await context.webhooks.replace(row))) throw unknown(webhook.id);
  context.onPut();
  return { webhook: webhookMessage(row) };
}

async function create({ webhooks }: WebhooksRpcContext, row: Omit<WebhookRow, 'secret'>, createdBy: string) {
  if ((await webhooks.list(row.organisation)).length >= maxWebhooks)
    throw new CogmeshError('failed_precondition', `an organisation has at most ${maxWebhooks} webhooks`);
  const secret = randomBytes(secretBytes).toString('base64');
  await webhooks.create({ ...row, secret }, createdBy);
  return { ...webhookMessage(row), secret };
}

function urlOf(text: string, allowPrivate: boolean): string {
  const url = text.length <= maxUrlLength && URL.canParse(text) ? new URL(text) : undefined;
  const protocols = allowPrivate ? ['https:', 'http:'] : ['https:'];
  if (!url || !protocols.includes(url.protocol))
    throw new CogmeshError('invalid_argument', `a webhook needs an https URL of at most ${maxUrlLength} characters`);
  if (url.username !== '' || url.password !== '')
    throw new CogmeshError('invalid_argument', 'a webhook’s URL carries no user and no password; its calls are signed');
  if (!allowPrivate) assertPublicHost(url.hostname);
  url.hash = '';
  return url.href;
}

function statesOf(states: readonly schedulerV1.RunState[]): RunState[] {
  const named = new Set<RunState>();
  for (const state of states) {
    const name = runStateOf(state);
    if (name === undefined || name === 'PENDING')
      throw new CogmeshError('invalid_argument', 'a webhook is told of the states that follow PENDING');
    named.add(name);
  }
  return [...named];
}

function labelsOf(labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  if (Object.keys(labels).length <= maxLabels) return labels;
  throw new CogmeshError('invalid_argument', `a webhook names at most ${maxLabels} labels`);
}

type WebhookMessage = MessageInitShape<typeof schedulerV1.WebhookSchema>;

function webhookMessage({ id, organisation, url, states, labels, paused }: Omit<WebhookRow, 'secret'>): WebhookMessage {
  return {
    id,
    organisation,
    url,
    states: (JSON.parse(states) as RunState[]).map((state) => runStates[state]),
    labels: JSON.parse(labels) as Record<string, string>,
    paused: paused === 1,
  };
}

function deliveryMessage(row: DeliveryRow): MessageInitShape<typeof schedulerV1.DeliverySchema> {
  const { id, webhookId, runId, attempt, status, error, delivered, dueAt } = row;
  const next = dueAt === null ? {} : { nextAt: timestampFromMs(dueAt) };
  return { id, webhookId, runId, attempt, status, error, delivered: delivered === 1, ...next };
}

const unknown = (webhookId: string): CogmeshError =>
  new CogmeshError('not_found', `there is no webhook ${webhookId.slice(0, 100)}`);
