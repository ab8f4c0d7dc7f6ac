/**
 * The loop that adds and takes away slots: it looks at what waits and at the agents, asks the policy of each capability, and
 * has a pool carry out what it decided. Remembers only what is lost without harm: after a restart everything begins with what
 * the registry says, and nothing shrinks before the whole stabilisation window was watched. Of several schedulers one decides.
 */
import { toCogmeshError } from '@cogmesh/errors';
import { PoolPolicy, type AgentPool, type PoolDecision, type PoolSettings } from '@cogmesh/scheduling-core';
import { attributeNames, recordSpan, spanNames, type Logger } from '@cogmesh/telemetry';
import { Backoff } from '../engine/backoff.js';
import { Signal } from '../engine/signal.js';
import { AgentBook, type SeenAgent, type Served } from './agent-book.js';
import type { AgentsElsewhere } from './agents-elsewhere.js';
import type { PoolDuty, Sighting } from './duty.js';
import type { SameHostPool } from './same-host-pool.js';
import { inTotal } from './total.js';

export interface PoolControllerOptions {
  /** With `fixed` only the fixed pools elsewhere are kept up. */
  readonly mode: 'fixed' | 'dynamic';
  readonly settings: PoolSettings;
  readonly lookMs: number;
  readonly agents: { list(): Promise<readonly SeenAgent[]> };
  readonly sameHost: SameHostPool;
  readonly elsewhere: readonly AgentsElsewhere[];
  readonly duty: PoolDuty;
  /** What this replica knows. */
  readonly sight: (agents: readonly SeenAgent[]) => Sighting;
  /** The capability that serves a need; undefined where nothing does. */
  readonly capabilityOf: (need: string) => string | undefined;
  /** Monotonic, milliseconds. */
  readonly nowMs: () => number;
  /** Milliseconds since the epoch. */
  readonly wallMs: () => number;
  readonly logger: Logger;
}

export interface PoolEvent extends PoolDecision {
  /** Milliseconds since the epoch. */
  readonly timeMs: number;
  readonly capability: string;
}

/** Looks in vain, one after the other. */
const worthTelling = 3;
/** Changes remembered for people. */
const maxHistory = 100;

export class PoolController {
  readonly #options: PoolControllerOptions;
  readonly #book = new AgentBook();
  readonly #policies = new Map<string, PoolPolicy>();
  readonly #said = new Map<string, string>();
  readonly #signal = new Signal();
  readonly #backoff: Backoff;
  #history: PoolEvent[] = [];
  #stopped = false;
  #loop: Promise<void> | undefined;

  constructor(options: PoolControllerOptions) {
    this.#options = options;
    this.#backoff = new Backoff(options.lookMs, 10 * options.lookMs);
  }

  start(): void {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#signal.set();
    await this.#loop;
    const { duty, elsewhere, logger } = this.#options;
    await duty
      .release()
      .catch((error: unknown) => logger.debug({ err: error }, 'the duty of the pool was not released'));
    await Promise.all(elsewhere.map((pool) => pool.stop()));
  }

  /** Changes that were made, newest last; the last hundred. */
  get history(): readonly PoolEvent[] {
    return this.#history;
  }

  /** The last change, for people. */
  get summary(): string {
    const last = this.#history.at(-1);
    if (!last) return 'nothing was changed yet';
    return `${new Date(last.timeMs).toISOString()} ${last.capability}: ${last.reason}`;
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#stopped) {
      let restMs = this.#options.lookMs;
      try {
        await this.look();
        this.#backoff.succeeded();
        failures = 0;
      } catch (thrown) {
        restMs = this.#backoff.next();
        this.#complain(thrown, (failures += 1));
      }
      if (!this.#stopped) await this.#signal.wait(restMs);
    }
  }

  /** Once per outage, and not of a neighbour that only starts again or leaves first. */
  #complain(thrown: unknown, failures: number): void {
    const error = toCogmeshError(thrown);
    const level = failures === worthTelling ? 'warn' : 'debug';
    this.#options.logger[level](
      { code: error.code, err: error },
      `the pool of agents stays as it is: ${error.message}`,
    );
  }

  /** One look at everything, and what follows from it. */
  async look(): Promise<void> {
    const { agents, duty, sight, sameHost } = this.#options;
    const seen = await agents.list();
    const served = this.#book.read(seen);
    const sightings = await duty.take(sight(seen));
    if (sightings === undefined) return this.#forget();
    await this.#refresh();
    sameHost.see(new Map([...served].map(([name, each]) => [name, each.agents])));
    const total = inTotal(sightings, this.#options.capabilityOf);
    const names = this.#names(served);
    for (const name of this.#policies.keys()) if (!names.has(name)) this.#policies.delete(name);
    // One after the other: capabilities may share the agents of one pool.
    for (const name of names) await this.#decide(name, served.get(name), total);
  }

  /** Another replica decides: what was watched so far is out of date when the duty comes back. */
  #forget(): void {
    this.#policies.clear();
  }

  async #refresh(): Promise<void> {
    const { elsewhere, logger } = this.#options;
    const refreshed = await Promise.allSettled(elsewhere.map((pool) => pool.refresh()));
    for (const each of refreshed) {
      if (each.status === 'rejected')
        this.#once('a pool elsewhere', `${toCogmeshError(each.reason).message}`, logger.warn.bind(logger));
    }
  }

  /** Only what somebody can do something about. */
  #names(served: ReadonlyMap<string, Served>): Set<string> {
    const { mode, elsewhere } = this.#options;
    const growable = [...served].filter(([, { agents }]) => agents.some(({ range }) => range !== undefined));
    const here = mode === 'fixed' ? [] : growable.map(([name]) => name);
    return new Set([...here, ...elsewhere.flatMap(({ capabilities }) => capabilities)]);
  }

  async #decide(capability: string, served: Served | undefined, total: ReturnType<typeof inTotal>): Promise<void> {
    const { nowMs, wallMs, mode } = this.#options;
    const elsewhere = this.#elsewhereOf(capability);
    const slots = elsewhere?.slots(capability);
    if (mode === 'fixed' && (!slots || slots.slots >= slots.min)) return;
    const { agents = [], completed } = served ?? {};
    const { queued, readyAtMs, busySlots } = total.of(capability);
    const waitMs = queued > 0 ? Math.max(0, wallMs() - readyAtMs) : 0;
    const policy = this.#policyOf(capability);
    const decision = policy.decide({ agents, busySlots, queued, waitMs, elsewhere: slots, completed }, nowMs());
    if (decision.change) await this.#carryOut(capability, decision, policy);
    else this.#once(capability, decision.reason, (what, text) => this.#options.logger.debug(what, text));
  }

  async #carryOut(capability: string, decision: PoolDecision, policy: PoolPolicy): Promise<void> {
    const { change, reason, slots, desiredSlots } = decision;
    const pool = change?.place === 'same-host' ? this.#options.sameHost : this.#elsewhereOf(capability);
    const there = pool?.slots(capability);
    if (!change || !pool || !there) return;
    const startMs = this.#options.wallMs();
    try {
      const isChanged = await pool.resize(capability, there.slots + change.by, reason);
      if (!isChanged) return;
      this.#tell({ ...decision, capability, timeMs: startMs }, pool);
    } catch (thrown) {
      policy.undone();
      const error = toCogmeshError(thrown);
      const what = { capability, slots, desiredSlots, code: error.code, err: error };
      this.#options.logger.warn(what, `${capability}: ${reason}; it failed: ${error.message}`);
    }
  }

  #tell(event: PoolEvent, { place }: AgentPool): void {
    const { capability, slots, desiredSlots, reason, timeMs } = event;
    this.#history = [...this.#history, event].slice(-maxHistory);
    this.#said.delete(capability);
    this.#options.logger.info({ capability, slots, desiredSlots, place }, `${capability}: ${reason}`);
    recordSpan({
      name: spanNames.resizePool,
      startMs: timeMs,
      endMs: this.#options.wallMs(),
      parent: 'root',
      attributes: {
        [attributeNames.capability]: capability,
        [attributeNames.poolPlace]: place,
        [attributeNames.poolSlots]: desiredSlots,
        [attributeNames.poolReason]: reason,
      },
    });
  }

  /** The same sentence with other numbers in it is no news. */
  #once(about: string, text: string, log: (what: object, text: string) => void): void {
    const kind = text.replace(/[\d.,]+/g, '#');
    if (this.#said.get(about) === kind) return;
    this.#said.set(about, kind);
    log({ about }, `${about}: ${text}`);
  }

  #policyOf(capability: string): PoolPolicy {
    let policy = this.#policies.get(capability);
    if (!policy) this.#policies.set(capability, (policy = new PoolPolicy(this.#options.settings)));
    return policy;
  }

  #elsewhereOf(capability: string): AgentsElsewhere | undefined {
    return this.#options.elsewhere.find(({ capabilities }) => capabilities.includes(capability));
  }
}
