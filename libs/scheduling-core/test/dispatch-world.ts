/** The dispatching half of the engine over `EngineWorld`: one agent with so many credits, a publisher that keeps what it is sent. */
import { CogmeshError } from '@cogmesh/errors';
import { Claims } from '../src/engine/claims.js';
import { Controls } from '../src/engine/controls.js';
import { Credits, type Target } from '../src/engine/credits.js';
import { Deferrals } from '../src/engine/deferrals.js';
import type { DispatchSettings, Publication, StoredScope } from '../src/engine/dispatch-ports.js';
import { Dispatcher } from '../src/engine/dispatcher.js';
import { Keeper } from '../src/engine/keeper.js';
import { Limits } from '../src/engine/limits.js';
import type { Payloads } from '../src/engine/payloads.js';
import { QueuedTasks } from '../src/engine/queued-tasks.js';
import { ReadyHeads } from '../src/engine/ready-heads.js';
import { Recovery } from '../src/engine/recovery.js';
import type { ReadyEntry } from '../src/engine/rows.js';
import { Scopes } from '../src/engine/scopes.js';
import { FairOrder } from '../src/fair-order.js';
import { defaultRunLimits } from '../src/limits.js';
import { EngineWorld, output, type WorldOptions } from './engine-world.js';

export interface DispatchOptions extends WorldOptions {
  readonly slots?: number;
  readonly busIsDurable?: boolean;
  readonly settings?: Partial<DispatchSettings>;
}

const settings: DispatchSettings = {
  claimBatch: 50,
  headSize: 100,
  startWithinMs: 5_000,
  maxInlineBytes: 1_000,
  limits: defaultRunLimits,
};

/** JSON values by blob id. */
class KnownPayloads implements Payloads {
  readonly values = new Map<string, string>();
  isDown = false;

  load(blobId: string): Promise<never> {
    if (this.isDown) return Promise.reject(new CogmeshError('unavailable', 'the gateway does not answer'));
    return Promise.resolve(JSON.parse(this.values.get(blobId) ?? 'null') as never);
  }

  store(json: string): Promise<string> {
    if (this.isDown) return Promise.reject(new CogmeshError('unavailable', 'the gateway does not answer'));
    const id = `blob_${this.values.size + 1}`;
    this.values.set(id, json);
    return Promise.resolve(JSON.stringify({ $blob: id, mediaType: 'application/json', bytes: json.length }));
  }
}

export class DispatchWorld extends EngineWorld {
  readonly payloads = new KnownPayloads();
  readonly order = new FairOrder<ReadyEntry>();
  readonly sent: Publication[] = [];
  readonly publishing = new Set<string>();
  readonly troubles: string[] = [];
  readonly scopesStored: StoredScope[] = [];
  readonly limits: Limits;
  readonly credits: Credits;
  readonly heads: ReadyHeads;
  readonly controls: Controls;
  readonly dispatcher: Dispatcher;
  readonly keeper: Keeper;
  readonly queued: QueuedTasks;
  isBlocked = false;
  slots: number;
  #ids: number;

  constructor(options: DispatchOptions = {}) {
    super(options);
    this.slots = options.slots ?? 1_000;
    // Ids of a world that goes on where another stopped are new.
    this.#ids = options.state === undefined ? 0 : 1_000;
    const { engine, clock, order, store, payloads } = this;
    const onDone = (): void => this.dispatcher.wake();
    const onTrouble = (_error: unknown, what: string): void => void this.troubles.push(what);
    const deferrals = new Deferrals(clock);
    const limitStore = {
      all: () => Promise.resolve(this.scopesStored),
      save: (scope: StoredScope) => Promise.resolve(void this.scopesStored.push(scope)),
    };
    this.limits = new Limits({ store: limitStore, order, clock, onOpen: onDone });
    this.credits = new Credits(this.limits);
    const scopes = new Scopes(engine.residents, payloads);
    const common = { engine, scopes, deferrals, onTrouble, onDone, settings: { ...settings, ...options.settings } };
    const itemOutputs = store.itemOutputs.bind(store);
    const newRunId = (): string => `run_nested_${(this.#ids += 1)}`;
    this.controls = new Controls({ ...common, payloads, itemOutputs, newRunId }, () => this.heads);
    const { headSize, claimBatch } = common.settings;
    const preparation = this.controls;
    this.heads = new ReadyHeads({ order, store, engine, preparation, deferrals, headSize, onOffer: onDone, onTrouble });
    const { credits, heads, controls } = this;
    const targets = { hasRoom: () => this.#free() > 0, choose: () => this.#choose() };
    const publisher = this.#publisher();
    const newAttemptId = (): string => `attempt_${(this.#ids += 1)}`;
    const claims = new Claims({ ...common, targets, credits, publisher, heads, newAttemptId });
    const { busIsDurable = true } = options;
    const recovery = new Recovery({ ...common, credits, heads, controls, claims, publisher, busIsDurable });
    const memory = { engine, order, heads, controls, claims, credits };
    this.dispatcher = new Dispatcher({ ...memory, targets, publisher, recovery, deferrals, claimBatch });
    this.queued = new QueuedTasks(clock.now);
    const owned = () => new Map([[0, this.state.takeOver(0)]]);
    const before = () => this.limits.load();
    const own = new Deferrals(clock);
    this.keeper = new Keeper({ engine, queued: this.queued, deferrals: own, owned, before, onTrouble });
    for (const listener of [this.keeper, this.queued, this.dispatcher]) engine.listen(listener);
  }

  static override async open(options: DispatchOptions = {}): Promise<DispatchWorld> {
    const world = new DispatchWorld(options);
    await world.own();
    return world;
  }

  override own(): Promise<void> {
    return this.do(this.keeper.read());
  }

  /** Inputs of what was sent since the last look, by `task` or `task[index]`. */
  take(): Record<string, unknown> {
    const sent = this.sent.splice(0);
    return Object.fromEntries(
      sent.map(({ row: { taskId, itemIndex }, input }) => [
        itemIndex < 0 ? taskId : `${taskId}[${itemIndex}]`,
        JSON.parse(input.inputJson) as unknown,
      ]),
    );
  }

  /** Reports the same output for every attempt that was sent. */
  async finish(works: readonly Publication[], value: unknown = null): Promise<void> {
    const reports = works.map(({ row: { attemptId, runId } }) => ({
      attemptId, runId, agentId: 'agent_1', source: undefined, outcome: output(value),
    })); // prettier-ignore
    await this.do(this.intake.results(reports));
  }

  #free(): number {
    return this.slots - this.credits.usedBy('agent_1', 'script');
  }

  #choose(): Target | undefined {
    return this.#free() > 0 ? { agentId: 'agent_1', capability: 'script' } : undefined;
  }

  #publisher() {
    const isBlocked = (): boolean => this.isBlocked;
    return {
      get isBlocked() {
        return isBlocked();
      },
      publishing: () => this.publishing,
      send: (works: readonly Publication[]) => void this.sent.push(...works),
    };
  }
}
