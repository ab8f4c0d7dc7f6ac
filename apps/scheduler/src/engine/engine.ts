/**
 * Where every change happens: one lane of transactions, each over locked runs, and after each commit what it means for the
 * ready order, the credits in use, timers, watchers and agents. A transaction whose end is unknown (connection lost at
 * commit) raises doubt, which makes the dispatcher rebuild its memory from the database.
 */
import type { Database } from '@cogmesh/database';
import { CogmeshError } from '@cogmesh/errors';
import { Lane } from './lane.js';
import type { Effects } from './effects.js';
import { Outcomes } from './outcomes.js';
import { PlanCache } from './plan-cache.js';
import { WorkUnit } from './work-unit.js';

export type EffectListener = (effects: Effects) => void;

export class Engine {
  readonly database: Database;
  readonly plans = new PlanCache();
  readonly lane = new Lane();
  readonly #listeners: EffectListener[] = [];
  readonly #random: () => number;
  #doubt: () => void = () => undefined;

  constructor(database: Database, random: () => number = Math.random) {
    this.database = database;
    this.#random = random;
  }

  onEffects(listener: EffectListener): void {
    this.#listeners.push(listener);
  }

  onDoubt(listener: () => void): void {
    this.#doubt = listener;
  }

  /** Locks the runs, runs `work`, settles what follows, commits, then tells the listeners. */
  transact<T>(runIds: Iterable<string>, work: (unit: WorkUnit, outcomes: Outcomes) => Promise<T>): Promise<T> {
    const ids = [...runIds];
    return this.lane.run(async () => {
      try {
        const { result, effects } = await this.database.transaction(async (tx) => {
          const unit = await WorkUnit.open(tx, this.plans, ids);
          const outcomes = new Outcomes(unit, this.#random);
          const worked = await work(unit, outcomes);
          await outcomes.settle();
          await unit.flush();
          return { result: worked, effects: unit.effects };
        });
        this.apply(effects);
        return result;
      } catch (error) {
        if (!isRefusal(error)) this.#doubt();
        throw error;
      }
    });
  }

  /** For a transaction outside `transact` whose end is unknown. */
  doubt(): void {
    this.#doubt();
  }

  /** For changes made outside `transact`: a new run. */
  apply(effects: Effects): void {
    for (const listener of this.#listeners) listener(effects);
  }
}

/** The work itself said no before anything was committed: memory is as right as it was. */
const refusals: ReadonlySet<string> = new Set(['failed_precondition', 'permission_denied', 'not_found']);
const isRefusal = (error: unknown): boolean => error instanceof CogmeshError && refusals.has(error.code);
