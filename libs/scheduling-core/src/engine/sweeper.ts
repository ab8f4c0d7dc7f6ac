/**
 * Proves invariant 3 again and again: no task of an unfinished run is without exactly one reason to wait. It compares memory
 * with the store, and memory with itself. Memory goes on while a question is answered, so a difference counts only when a
 * second look, some time later and after everything decided was stored, finds the very same.
 *
 * What counts is mended by doing again what should have been done, or by reading memory anew, and told: it is a defect of the
 * engine, and no excuse for one. It never looks while memory is read, and takes at most a hundredth of the time.
 */
import type { OnTrouble } from './dispatch-ports.js';
import type { EngineListener } from './engine.js';
import { CogmeshError } from '@cogmesh/errors';
import { suspectResidents } from './sweep-residents.js';
import { suspectStored } from './sweep-store.js';
import { sweepKinds, type Suspicion, type SweepKind, type SweepParts } from './sweep.js';

export interface SweeperOptions extends SweepParts {
  /** Between two sweeps, milliseconds. */
  readonly everyMs: number;
  /** Between the first look and the second, milliseconds: longer than a submit takes from the store to the engine. */
  readonly confirmMs: number;
  readonly onMended: OnMended;
  /** Something may start that could not before. */
  readonly onDone: () => void;
  readonly onTrouble: OnTrouble;
}

/** Something had to be mended. `isMended`: false when reading memory anew did not help before. */
export type OnMended = (found: Suspicion, isMended: boolean) => void;

export const defaultSweepMs = 30_000;
export const defaultConfirmMs = 10_000;

/** A sweep that takes long is followed by a rest so many times as long. */
const restPerWork = 100;
/** Memory was read anew for so many things; more are forgotten. */
const maxRemembered = 1_000;

const printOf = ({ kind, evidence }: Suspicion): string => `${kind} ${JSON.stringify(evidence)}`;

export class Sweeper implements EngineListener {
  readonly #options: SweeperOptions;
  readonly #mended = new Map<SweepKind, number>(sweepKinds.map((kind) => [kind, 0]));
  /** What memory was read anew for. */
  readonly #doubted = new Set<string>();
  #cancel: () => void = () => undefined;
  /** A look that was begun before memory was thrown away counts no more. */
  #session = 0;
  #isStopped = false;
  #sweeps = 0;
  #lane = 0;

  constructor(options: SweeperOptions) {
    this.#options = options;
  }

  /** How often something had to be mended, by what it was. */
  get mended(): ReadonlyMap<SweepKind, number> {
    return this.#mended;
  }

  get mendedInAll(): number {
    return [...this.#mended.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Sweeps that came to their end. */
  get sweeps(): number {
    return this.#sweeps;
  }

  stop(): void {
    this.#isStopped = true;
    this.reset();
  }

  reset(): void {
    this.#session += 1;
    this.#cancel();
  }

  restored(): void {
    this.#rest(this.#options.everyMs);
  }

  #rest(ms: number): void {
    if (this.#isStopped) return;
    const session = this.#session;
    this.#cancel = this.#options.engine.clock.after(ms, () => void this.#sweep(session));
  }

  async #sweep(session: number): Promise<void> {
    const { everyMs, onTrouble } = this.#options;
    let workMs = 0;
    try {
      workMs = await this.#looks(session);
      if (session === this.#session) this.#sweeps += 1;
    } catch (error) {
      if (session === this.#session) onTrouble(error, 'comparing memory with the store');
    }
    if (session === this.#session) this.#rest(Math.max(everyMs, workMs * restPerWork));
  }

  /** Answers how long the first look took, milliseconds. */
  async #looks(session: number): Promise<number> {
    const { engine, confirmMs } = this.#options;
    const begun = engine.now();
    const first = await this.#look();
    const workMs = engine.now() - begun;
    const prints = new Set(first.suspicions.map(printOf));
    if (prints.size > 0 && session === this.#session) {
      await this.#pause(confirmMs);
      const again = session === this.#session ? (await this.#look()).suspicions : [];
      if (session !== this.#session) return workMs;
      this.#mend(again.filter((suspicion) => prints.has(printOf(suspicion))));
    }
    this.#lane = first.nextLane;
    return workMs;
  }

  async #look(): Promise<{ readonly suspicions: readonly Suspicion[]; readonly nextLane: number }> {
    const { suspicions, nextLane } = await suspectStored(this.#options, this.#lane);
    return { suspicions: [...suspicions, ...(await suspectResidents(this.#options))], nextLane };
  }

  /** Does not end when memory is thrown away meanwhile: nobody waits for it then. */
  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => (this.#cancel = this.#options.engine.clock.after(ms, resolve)));
  }

  #mend(confirmed: readonly Suspicion[]): void {
    // One thing may be seen from several sides.
    const found = [...new Map(confirmed.map((suspicion) => [printOf(suspicion), suspicion])).values()];
    const isDeep = (suspicion: Suspicion): boolean => suspicion.mend === undefined;
    for (const suspicion of found) {
      const isMended = !isDeep(suspicion) || !this.#doubted.has(printOf(suspicion));
      this.#mended.set(suspicion.kind, (this.#mended.get(suspicion.kind) ?? 0) + 1);
      this.#options.onMended(suspicion, isMended);
      suspicion.mend?.();
    }
    const deep = found.filter((suspicion) => isDeep(suspicion) && !this.#doubted.has(printOf(suspicion)));
    if (deep.length > 0) this.#doubt(deep);
    if (found.length > 0) this.#options.onDone();
  }

  #doubt(deep: readonly Suspicion[]): void {
    for (const suspicion of deep) this.#doubted.add(printOf(suspicion));
    for (const print of this.#doubted) if (this.#doubted.size > maxRemembered) this.#doubted.delete(print);
    const [first] = deep;
    this.#options.engine.doubt(new CogmeshError('unavailable', `memory is read anew: ${first?.says ?? ''}; try again`));
  }
}
