/** The faults of a seed at work: which of the world's pieces do not do what they should, now. */
import { CogmeshError } from '@cogmesh/errors';
import type { BusFaults } from './simulated-bus.js';
import type { FaultKind } from './fault-plan.js';
import type { StoreFault } from './memory-store.js';
import type { SimulatedProcess } from './process.js';
import type { SeededRandom } from './seeded-random.js';

/** What goes wrong of one message in a hundred, whatever else happens. */
const always = 0.01;
const shaky = 0.12;

export class Faults {
  readonly #random: SeededRandom;
  /** How many of a kind are going on. */
  readonly #now = new Map<FaultKind, number>();
  readonly #cutOff = new Set<SimulatedProcess>();
  readonly counts = new Map<FaultKind, number>();

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  begin(kind: FaultKind): void {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    this.#now.set(kind, (this.#now.get(kind) ?? 0) + 1);
  }

  end(kind: FaultKind): void {
    this.#now.set(kind, (this.#now.get(kind) ?? 0) - 1);
  }

  is(kind: FaultKind): boolean {
    return (this.#now.get(kind) ?? 0) > 0;
  }

  cutOff(process: SimulatedProcess): void {
    this.#cutOff.add(process);
  }

  mend(process: SimulatedProcess): void {
    this.#cutOff.delete(process);
  }

  readonly isCutOff = (process: SimulatedProcess): boolean => this.#cutOff.has(process);

  /** A network's and a disk's time, milliseconds: mostly short, now and then long. */
  readonly delayMs = (): number =>
    this.#random.chance(0.05) ? this.#random.between(20, 200) : this.#random.between(1, 8);

  readonly storeFault = (operation: string): StoreFault | undefined => {
    if (this.is('store down')) return 'before';
    if (!this.is('store shaky') || !this.#random.chance(0.3)) return undefined;
    return operation === 'flush' || operation === 'submit' ? this.#random.pick(['before', 'after', 'late']) : 'before';
  };

  /** For what is asked of the store beside runs. */
  readonly requireStore = (): void => {
    if (this.is('store down')) throw new CogmeshError('unavailable', 'the store does not answer');
  };

  readonly #isBad = (): boolean => this.#random.chance(this.is('broker shaky') ? shaky : always);

  readonly bus: BusFaults = {
    delayMs: () => (this.is('broker shaky') ? 5 : 1) * this.delayMs(),
    isDuplicated: () => this.#isBad(),
    isAckLost: () => this.#isBad(),
    isConfirmLost: () => this.#isBad(),
    isDown: () => this.is('broker down'),
    isCutOff: (process) => this.isCutOff(process),
  };
}
