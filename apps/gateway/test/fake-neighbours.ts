/**
 * The gateway's neighbours by contract: real gRPC servers that check service tokens and permits with the real identity and
 * enforcement libraries, with just enough behind them to answer. What they saw can be read by the tests.
 */
import { once } from 'node:events';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { policyV1, registryV1, schedulerV1 } from '@cogmesh/contracts';
import { PermitVerifier, serviceMayCall } from '@cogmesh/enforcement';
import { CogmeshError } from '@cogmesh/errors';
import {
  loadServiceIdentity,
  type IssuerRecord,
  type PermitClaims,
  type RevocationChange,
  type ServiceIdentity,
} from '@cogmesh/identity';
import {
  implement,
  serveRpc,
  type Authenticate,
  type CallContext,
  type RpcServer,
  type ServiceBinding,
} from '@cogmesh/rpc';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { ulid } from 'ulid';
import { FakeAudit } from './fake-audit.js';
import { FakeScheduling } from './fake-scheduling.js';
import { FakeVersions } from './fake-versions.js';

export interface Served {
  readonly address: string;
  stop(): Promise<void>;
}

/** Permits by call, so that a handler can see what its permit says. */
const permits = new WeakMap<object, PermitClaims>();

async function guarded(keysDir: string, service: string): Promise<Authenticate> {
  const identity = await loadServiceIdentity(keysDir, service);
  const verifier = new PermitVerifier({ verifier: identity, audience: service });
  return async ({ method, metadata }) => {
    const token = (metadata.get('authorization') ?? '').replace(/^Bearer /, '');
    const { typ } = JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()) as { typ: string };
    if (typ === 'cogmesh-service+jwt') {
      const { service: caller } = await identity.verifyServiceToken(token, service);
      if (!serviceMayCall(caller, method)) throw new CogmeshError('permission_denied', `${caller} may not`);
      return { kind: 'service', service: caller };
    }
    const permit = await verifier.verify(token, method);
    verifier.use(permit);
    const caller = { kind: 'subject', subject: permit.subject, access: permit.access, permitId: permit.id } as const;
    permits.set(caller, permit);
    return caller;
  };
}

async function serve(
  address: string,
  service: ServiceBinding | readonly ServiceBinding[],
  authenticate: Authenticate,
): Promise<Served> {
  const services = [service].flat() as ServiceBinding[];
  const server: RpcServer = await serveRpc({ address, services, authenticate });
  return { address: server.address, stop: () => server.stop(0) };
}

const permitOf = (call: CallContext): PermitClaims => {
  const permit = permits.get(call.caller);
  if (permit === undefined) throw new CogmeshError('unauthenticated', 'a permit is needed');
  return permit;
};

function issuerMessage({ algorithms, allowedRoles, allowedAttributes, tokenTypes, ...rest }: IssuerRecord) {
  return {
    ...rest,
    algorithms: [...algorithms],
    allowedRoles: [...allowedRoles],
    allowedAttributes: [...allowedAttributes],
    tokenTypes: [...(tokenTypes ?? [])],
  };
}

const allowed = { allowed: true, code: 'allowed', reason: 'rule members allows it', rules: ['members'] };
const denied = { allowed: false, code: 'denied_by_rule', reason: 'rule no-secrets denies it', rules: ['no-secrets'] };
const unmatched = { allowed: false, code: 'no_matching_allow', reason: 'no rule allows it', rules: [] };

export class FakePolicy {
  issuers: IssuerRecord[] = [];
  /** What was revoked, in order, epochs from 1. */
  readonly revoked: RevocationChange[] = [];
  readonly versions = new FakeVersions();
  readonly audit = new FakeAudit();
  /** Policy sets by organisation, as text. */
  readonly sets = new Map<string, { text: string; epoch: bigint }>();
  /** Answers of DecideMany are this many short. */
  missing = 0;

  async serve(keysDir: string, address: string): Promise<Served> {
    const identity = await loadServiceIdentity(keysDir, 'policy');
    const service = implement(policyV1.PolicyService, {
      decide: async (request) => this.#decide(request),
      decideMany: async ({ requests, subject }) => ({
        responses: requests.slice(this.missing).map((r) => this.#decide(subject === undefined ? r : { ...r, subject })),
      }),
      explain: async ({ request }) => this.#explain(request ?? create(policyV1.DecideRequestSchema)),
      getIssuers: async () => ({ issuers: this.issuers.map(issuerMessage) }),
      getBundle: async ({ nonce, knownRevocations }) => this.#revocations(identity, nonce, Number(knownRevocations)),
      getPolicies: async ({ organisation }, call) => {
        this.#own(call, organisation);
        const held = this.sets.get(organisation);
        return { policySetJson: held?.text ?? '[]', epoch: held?.epoch ?? 1n };
      },
      putPolicies: async ({ organisation, policySetJson, expectedEpoch }, call) => {
        this.#own(call, organisation);
        const epoch = this.sets.get(organisation)?.epoch ?? 1n;
        if (expectedEpoch !== 0n && expectedEpoch !== epoch)
          throw new CogmeshError('conflict', `the epoch is ${epoch}`);
        this.sets.set(organisation, { text: policySetJson, epoch: epoch + 1n });
        return { epoch: epoch + 1n };
      },
    });
    const versions = this.versions.service((call, organisation) => this.#own(call, organisation));
    const audit = this.audit.service((call, organisation) => this.#own(call, organisation));
    return serve(address, [service, versions, audit], await guarded(keysDir, 'policy'));
  }

  async #revocations(identity: ServiceIdentity, nonce: string, since: number) {
    const epoch = this.revoked.length;
    const list = { since, epoch, changes: this.revoked.slice(since) };
    return {
      revocationsJws: since >= epoch ? '' : await identity.signRevocations(list),
      heartbeatJws: await identity.signHeartbeat({ nonce, epochs: {}, revocations: epoch }),
      // It has answers and no policies: everything is asked of it.
      watched: ['acme', 'globex', 'stranger'],
    };
  }

  #own(call: CallContext, organisation: string): void {
    if (permitOf(call).subject.organisation !== organisation) throw new CogmeshError('permission_denied', 'not yours');
  }

  /** Members may do everything but infer models called secret-…; guests may do nothing. */
  #decide({ subject, action, resource }: policyV1.DecideRequest) {
    const { type = '', id = '' } = resource ?? {};
    const member = subject?.roles.includes('member') === true;
    const verdict = action === 'infer' && id.includes('/secret-') ? denied : member ? allowed : unmatched;
    const foreign = type === 'model' && !id.startsWith(`${subject?.organisation}/`);
    return { ...verdict, decisionId: ulid(), epoch: 3n, grantId: verdict.allowed && foreign ? 'grant_1' : '' };
  }

  #explain(request: policyV1.DecideRequest) {
    const rule = {
      ruleId: 'members',
      effect: 'allow',
      outcome: policyV1.RuleOutcome_Outcome.MATCHED,
      detail: '',
      condition: 'true',
    };
    const organisation = request.subject?.organisation ?? '';
    return {
      decision: this.#decide(request),
      rules: [
        { ...rule, organisation },
        { ...rule, organisation: 'stranger', ruleId: 'their-business', outcome: policyV1.RuleOutcome_Outcome.SKIPPED },
      ],
    };
  }
}

export type EventInit = MessageInitShape<typeof schedulerV1.RunEventSchema>;

export class FakeScheduler {
  readonly runs = new Map<string, schedulerV1.Run>();
  /** History by run; a watch sends it and, while the run is not over, waits for more. */
  readonly events: Map<string, EventInit[]> = new Map();
  readonly submitted: { documentJson: string; callerTraceparent: string; permit: PermitClaims }[] = [];
  /** Events handed to the transport so far, over all watches. */
  sent = 0;
  /** Watches that are being served now. */
  watching = 0;
  /** Error for the next submits, one each. */
  readonly failures: CogmeshError[] = [];
  #wake = Promise.withResolvers<void>();

  addRun(organisation: string, run: MessageInitShape<typeof schedulerV1.RunSchema> = {}): string {
    const id = `run_${ulid()}`;
    const held = create(schedulerV1.RunSchema, {
      name: 'read-invoice',
      state: schedulerV1.RunState.RUNNING,
      priority: 5,
      createdAt: timestampFromMs(1_790_000_000_000),
      traceId: 'a'.repeat(32),
      tasks: [{ id: 'detect', uses: 'model:acme/reader@1.0.0', state: schedulerV1.TaskState.RUNNING, attempt: 1 }],
      ...run,
      id,
      organisation,
    } as MessageInitShape<typeof schedulerV1.RunSchema>);
    this.runs.set(id, held);
    this.events.set(id, []);
    return id;
  }

  addEvents(runId: string, ...events: EventInit[]): void {
    const history = this.events.get(runId) ?? [];
    for (const event of events) history.push({ ...event, sequence: BigInt(history.length + 1) });
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  }

  async serve(keysDir: string, address: string): Promise<Served> {
    const service = implement(schedulerV1.SchedulerService, {
      submitRun: async (request, call) => this.#submit(request, call),
      getRun: async ({ runId }, call) => ({ run: this.#find(runId, call) }),
      listRuns: async ({ page, labels, scheduleId, createdAfter, createdBefore }, call) => {
        const { organisation } = permitOf(call).subject;
        const madeAt = ({ createdAt }: schedulerV1.Run) => createdAt?.seconds ?? 0n;
        const own = [...this.runs.values()].filter(
          (run) =>
            run.organisation === organisation &&
            Object.entries(labels).every(([key, value]) => run.labels[key] === value) &&
            (scheduleId === '' || run.scheduleId === scheduleId) &&
            (createdAfter === undefined || madeAt(run) >= createdAfter.seconds) &&
            (createdBefore === undefined || madeAt(run) < createdBefore.seconds),
        );
        return { runs: own.slice(0, page?.limit || 50).map((run) => ({ ...run, tasks: [] })), nextCursor: '' };
      },
      cancelRun: async ({ runId }, call) => {
        const run = this.#find(runId, call);
        const cancelled = { ...run, state: schedulerV1.RunState.CANCELLING };
        this.runs.set(runId, cancelled);
        return { run: cancelled };
      },
      getOutput: async ({ runId, taskId }, call) => {
        const run = this.#find(runId, call);
        return { outputJson: taskId === '' ? (run.outputJson ?? '') : JSON.stringify({ of: taskId }) };
      },
      watchRun: (request, call) => this.#watch(request, call),
      renewLeases: async () => ({}),
      ...new FakeScheduling({
        find: (runId, call) => this.#find(runId, call),
        replace: (run) => this.runs.set(run.id, run),
        add: (organisation, run) => this.addRun(organisation, run),
        permitOf,
      }).calls(),
    });
    return serve(address, service, await guarded(keysDir, 'scheduler'));
  }

  async #submit({ documentJson, callerTraceparent }: schedulerV1.SubmitRunRequest, call: CallContext) {
    const permit = permitOf(call);
    const failure = this.failures.shift();
    if (failure !== undefined) throw failure;
    const { tasks } = JSON.parse(documentJson) as { tasks?: unknown };
    if (!Array.isArray(tasks) || tasks.length === 0) {
      const issues = [{ path: 'tasks', code: 'missing', message: 'a run has tasks' }];
      throw new CogmeshError('invalid_run', 'the run has 1 problem', { issues });
    }
    this.submitted.push({ documentJson, callerTraceparent, permit });
    const id = this.addRun(permit.subject.organisation, { submittedBy: permit.subject.sub });
    return { run: this.#find(id, call), replayed: false };
  }

  #find(runId: string, call: CallContext): schedulerV1.Run {
    const run = this.runs.get(runId);
    if (run?.organisation === permitOf(call).subject.organisation) return run;
    throw new CogmeshError('not_found', `there is no run ${runId}`);
  }

  async *#watch({ runId, afterSequence }: schedulerV1.WatchRunRequest, call: CallContext) {
    this.#find(runId, call);
    this.watching += 1;
    try {
      for (let next = Number(afterSequence); ; next += 1) {
        const event = await this.#eventAt(runId, next, call.signal);
        if (event === undefined) return;
        this.sent += 1;
        yield { event };
      }
    } finally {
      this.watching -= 1;
    }
  }

  /** Waits for the event; undefined when the run is over before it, or the watcher has left. */
  async #eventAt(runId: string, position: number, signal: AbortSignal): Promise<EventInit | undefined> {
    while (!signal.aborted) {
      const history = this.events.get(runId) ?? [];
      if (position < history.length) return history[position];
      if (history.at(-1)?.type === 'run.done') return undefined;
      await Promise.race([this.#wake.promise, once(signal, 'abort')]);
    }
    return undefined;
  }
}

export class FakeRegistry {
  agents: MessageInitShape<typeof registryV1.AgentSchema>[] = [];

  async serve(keysDir: string, address: string): Promise<Served> {
    const service = implement(registryV1.RegistryService, {
      listAgents: async ({ organisation }) => ({
        agents: this.agents.filter((agent) => organisation === '' || agent.organisation === organisation),
      }),
      getAgent: async () => ({}),
      getInputSchemas: async () => ({}),
      instruct: async () => ({}),
    });
    return serve(address, service, await guarded(keysDir, 'registry'));
  }
}
