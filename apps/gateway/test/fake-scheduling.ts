/** The scheduler's calls that steer it, by contract: just enough kept to answer, and to see what was asked. */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { schedulerV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import type { PermitClaims } from '@cogmesh/identity';
import type { CallContext, ServiceImplementation } from '@cogmesh/rpc';

export interface SchedulingPorts {
  /** A run of the caller's organisation, or `not_found`. */
  readonly find: (runId: string, call: CallContext) => schedulerV1.Run;
  readonly replace: (run: schedulerV1.Run) => void;
  /** Makes a run of the organisation; answers its id. */
  readonly add: (organisation: string, run: MessageInitShape<typeof schedulerV1.RunSchema>) => string;
  readonly permitOf: (call: CallContext) => PermitClaims;
}

type Calls = ServiceImplementation<typeof schedulerV1.SchedulerService>;
type SteeringCalls = Omit<
  Calls,
  'submitRun' | 'getRun' | 'listRuns' | 'cancelRun' | 'getOutput' | 'watchRun' | 'renewLeases'
>;

/** What a retry of these runs needs beyond what the gateway can see. */
export const hiddenNeeds = new Map<string, { action: string; resource: string }[]>();

export class FakeScheduling {
  readonly #ports: SchedulingPorts;
  readonly #schedules = new Map<string, schedulerV1.Schedule>();
  readonly #webhooks = new Map<string, schedulerV1.Webhook>();
  readonly #scopes = new Map<string, schedulerV1.Scope>();

  constructor(ports: SchedulingPorts) {
    this.#ports = ports;
  }

  calls(): SteeringCalls {
    return { ...this.#control(), ...this.#scopeCalls(), ...this.#scheduleCalls(), ...this.#webhookCalls() };
  }

  #control() {
    const { find, replace, add, permitOf } = this.#ports;
    const changed = (runId: string, call: CallContext, change: Partial<schedulerV1.Run>) => {
      const run = { ...find(runId, call), ...change };
      replace(run);
      return { run };
    };
    return {
      retryRun: async ({ runId, fromFailed, inputJson }, call) => {
        const origin = find(runId, call);
        const { access, subject } = permitOf(call);
        const missing = (hiddenNeeds.get(runId) ?? []).filter(
          (need) => !access.some(({ action, resource }) => action === need.action && resource === need.resource),
        );
        if (missing.length > 0) throw new CogmeshError('permission_denied', 'the permit is short', { missing });
        const labels = { fromFailed: String(fromFailed), input: inputJson };
        const id = add(subject.organisation, { originRunId: origin.id, labels });
        return { run: find(id, call) };
      },
      pauseRun: async ({ runId }, call) => changed(runId, call, { paused: true }),
      resumeRun: async ({ runId }, call) => changed(runId, call, { paused: false }),
      setPriority: async ({ runId, priority }, call) => changed(runId, call, { priority }),
      signalTask: async ({ runId, taskId, index = 1, approved }, call) => {
        const run = find(runId, call);
        if (taskId !== 'detect') throw new CogmeshError('not_found', `there is no task ${taskId}`);
        return { run, missing: approved ? index : 0 };
      },
      explainWaiting: async ({ runId, taskId, index }, call) => {
        find(runId, call);
        const message = `${taskId}${index === undefined ? '' : ` item ${index}`} waits for its turn`;
        return { waiting: { code: 'busy', message }, position: 3n, estimateMs: 1_500n };
      },
    } satisfies Partial<Calls>;
  }

  #scopeCalls() {
    const { permitOf } = this.#ports;
    return {
      listScopes: async (_, call) => {
        const { organisation } = permitOf(call).subject;
        return { scopes: [...this.#scopes.values()].filter((scope) => scope.organisation === organisation) };
      },
      putScope: async ({ scope }, call) => {
        const { organisation } = permitOf(call).subject;
        if (scope?.kind === schedulerV1.Scope_Kind.CAPABILITY)
          throw new CogmeshError('permission_denied', 'only administrators of the host may');
        const kept = create(schedulerV1.ScopeSchema, {
          ...(scope as MessageInitShape<typeof schedulerV1.ScopeSchema>),
          organisation,
          usage: create(schedulerV1.UsageSchema, { inFlight: 1n, queued: 7n }),
        } as MessageInitShape<typeof schedulerV1.ScopeSchema>);
        this.#scopes.set(`${kept.kind} ${kept.name}`, kept);
        return { scope: kept };
      },
      listDeadLetters: async () => ({
        deadLetters: [
          {
            id: 'dead_1',
            queue: 'scheduler.results',
            reason: 'garbled',
            messageType: 'ResultBatch',
            receivedAt: timestampFromMs(1_790_000_000_000),
            body: Buffer.from('x'),
          },
        ],
        nextCursor: '',
      }),
      replayDeadLetter: async ({ id }) => {
        if (id !== 'dead_1') throw new CogmeshError('not_found', `there is no dead letter ${id}`);
        return {};
      },
    } satisfies Partial<Calls>;
  }

  #scheduleCalls() {
    const { permitOf, add } = this.#ports;
    const find = (name: string, call: CallContext) => {
      const { organisation } = permitOf(call).subject;
      const found = this.#schedules.get(`${organisation}/${name}`);
      if (found === undefined) throw new CogmeshError('not_found', `there is no schedule ${name}`);
      return found;
    };
    return {
      putSchedule: async ({ schedule }, call) => {
        const { organisation, sub } = permitOf(call).subject;
        const kept = create(schedulerV1.ScheduleSchema, {
          ...(schedule as MessageInitShape<typeof schedulerV1.ScheduleSchema>),
          id: 'schedule_1',
          organisation,
          createdBy: sub,
          nextAt: timestampFromMs(1_790_000_000_000),
        } as MessageInitShape<typeof schedulerV1.ScheduleSchema>);
        this.#schedules.set(`${organisation}/${kept.name}`, kept);
        return { schedule: kept };
      },
      getSchedule: async ({ schedule }, call) => ({
        schedule: find(schedule, call),
        upcoming: [timestampFromMs(1_790_000_000_000)],
      }),
      listSchedules: async (_, call) => {
        const { organisation } = permitOf(call).subject;
        const own = [...this.#schedules.values()].filter((schedule) => schedule.organisation === organisation);
        return { schedules: own, nextCursor: '' };
      },
      deleteSchedule: async ({ schedule }, call) => {
        this.#schedules.delete(`${permitOf(call).subject.organisation}/${find(schedule, call).name}`);
        return {};
      },
      triggerSchedule: async ({ schedule }, call) => {
        const { organisation, id } = find(schedule, call);
        return { runId: add(organisation, { scheduleId: id }) };
      },
      backfillSchedule: async ({ schedule, from, to, limit }, call) => {
        const { organisation, id } = find(schedule, call);
        const hours = Number((to?.seconds ?? 0n) - (from?.seconds ?? 0n)) / 3_600;
        if (hours > (limit || 100)) throw new CogmeshError('invalid_argument', `${hours} runs are too many`);
        return { runIds: Array.from({ length: hours }, () => add(organisation, { scheduleId: id })) };
      },
    } satisfies Partial<Calls>;
  }

  #webhookCalls() {
    const { permitOf } = this.#ports;
    const assertKnown = (id: string) => {
      if (!this.#webhooks.has(id)) throw new CogmeshError('not_found', `there is no webhook ${id}`);
    };
    return {
      putWebhook: async ({ webhook }, call) => {
        if (webhook !== undefined && webhook.id !== '') assertKnown(webhook.id);
        const id = webhook?.id || 'webhook_1';
        const kept = create(schedulerV1.WebhookSchema, {
          ...(webhook as MessageInitShape<typeof schedulerV1.WebhookSchema>),
          id,
          organisation: permitOf(call).subject.organisation,
        } as MessageInitShape<typeof schedulerV1.WebhookSchema>);
        const made = !this.#webhooks.has(id);
        this.#webhooks.set(id, kept);
        return { webhook: { ...kept, secret: made ? 'c2VjcmV0' : '' } };
      },
      listWebhooks: async () => ({ webhooks: [...this.#webhooks.values()] }),
      deleteWebhook: async ({ webhookId }) => {
        assertKnown(webhookId);
        this.#webhooks.delete(webhookId);
        return {};
      },
      listDeliveries: async ({ webhookId }) => {
        assertKnown(webhookId);
        const delivery = { id: 'delivery_1', webhookId, runId: 'run_1', attempt: 2, status: 503, error: 'HTTP 503' };
        return { deliveries: [delivery], nextCursor: '' };
      },
    } satisfies Partial<Calls>;
  }
}
