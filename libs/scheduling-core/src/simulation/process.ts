/**
 * A process that can be killed or frozen between any two events. Whatever would reach it from outside (a timer, an answer, a
 * message) comes through `enter`: a dead process never hears of it, a frozen one only when it wakes up. So nothing that was
 * begun in a dead process ever goes on.
 */
import type { Clock } from '../engine/ports.js';
import type { VirtualClock } from './virtual-clock.js';

type Life = 'running' | 'frozen' | 'dead';

export class SimulatedProcess {
  readonly name: string;
  readonly #world: VirtualClock;
  #life: Life = 'running';
  #held: (() => void)[] = [];

  constructor(name: string, world: VirtualClock) {
    this.name = name;
    this.#world = world;
  }

  get life(): Life {
    return this.#life;
  }

  get isRunning(): boolean {
    return this.#life === 'running';
  }

  /** Its own clock: the time is everybody's, what it plans dies with it. */
  readonly clock: Clock = {
    now: () => this.#world.now(),
    after: (ms, call) => this.#world.after(ms, () => this.enter(call)),
    soon: (call) => this.#world.soon(() => this.enter(call)),
  };

  enter(call: () => void): void {
    if (this.#life === 'running') call();
    else if (this.#life === 'frozen') this.#held.push(call);
  }

  /** An answer from outside: resolves or rejects as `outside` does, some time later, unless the process is dead by then. */
  hear<T>(outside: Promise<T>, delayMs: () => number): Promise<T> {
    return new Promise((resolve, reject) => {
      const later = (tell: () => void): void => void this.clock.after(delayMs(), tell);
      outside.then(
        (value) => later(() => resolve(value)),
        (error: unknown) => later(() => reject(error instanceof Error ? error : new Error(String(error)))),
      );
    });
  }

  kill(): void {
    this.#life = 'dead';
    this.#held = [];
  }

  freeze(): void {
    if (this.#life === 'running') this.#life = 'frozen';
  }

  /** Goes on where it was, with everything that came meanwhile at once. */
  wake(): void {
    if (this.#life !== 'frozen') return;
    this.#life = 'running';
    const held = this.#held;
    this.#held = [];
    for (const call of held) this.#world.soon(() => this.enter(call));
  }
}
