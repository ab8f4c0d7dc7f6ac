/**
 * Kills (SIGKILL) and freezes (SIGSTOP) processes at random, one at a time or two at once, with random rests in between. Every
 * victim is met before one is met again. Killed ones come back by those who look after them, which is waited for; frozen
 * ones are thawed here.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { until } from '../src/poll.js';
import { descendantsOf, isAlive, killHard } from '../src/processes.js';
import type { Chance } from './chance.js';
import type { Journal } from './journal.js';

export interface Victim {
  readonly name: string;
  /** Process id as it is now. */
  readonly pid: () => number;
  /** `child`: one process below it is killed instead; `family`: all of them with it. */
  readonly kills: 'one' | 'child' | 'family';
}

type Harm = 'kill' | 'freeze';

interface Blow {
  readonly victim: Victim;
  readonly harm: Harm;
}

export interface Tally {
  readonly kill: Map<string, number>;
  readonly freeze: Map<string, number>;
}

const BACK_WITHIN_MS = 60_000;

export class Faults {
  readonly tally: Tally = { kill: new Map(), freeze: new Map() };
  readonly #victims: readonly Victim[];
  readonly #chance: Chance;
  readonly #journal: Journal;
  readonly #frozen = new Set<number>();
  #deck: Blow[] = [];

  constructor(victims: readonly Victim[], chance: Chance, journal: Journal) {
    this.#victims = victims;
    this.#chance = chance;
    this.#journal = journal;
  }

  get count(): number {
    return [...this.tally.kill.values(), ...this.tally.freeze.values()].reduce((sum, each) => sum + each, 0);
  }

  /** Strikes until `until` and returns when nothing is frozen and everything killed is back as a process. */
  async rage(end: number): Promise<void> {
    try {
      while (Date.now() < end) {
        await delay(this.#chance.between(300, 3_000));
        const blows = [this.#draw(), ...(this.#chance.happens(0.2) ? [this.#draw()] : [])];
        await Promise.all(blows.map((blow) => this.#strike(blow)));
      }
    } finally {
      this.thaw();
    }
  }

  /** Whatever is frozen goes on. */
  thaw(): void {
    for (const pid of this.#frozen) signal(pid, 'SIGCONT');
    this.#frozen.clear();
  }

  #draw(): Blow {
    if (this.#deck.length === 0) {
      const all = this.#victims.flatMap((victim) =>
        (victim.kills === 'child' ? ['kill' as const] : ['kill' as const, 'freeze' as const]).map((harm) => ({
          victim,
          harm,
        })),
      );
      this.#deck = this.#chance.some(all, all.length);
    }
    return this.#deck.pop() as Blow;
  }

  async #strike({ victim, harm }: Blow): Promise<void> {
    // Drawn before anything is looked up: the plan follows from the seed, whatever the machine does.
    const [forMs, dice] = [this.#chance.between(1_000, 8_000), this.#chance.below(1_000)];
    const pid = victim.pid();
    if (!isAlive(pid)) {
      this.#journal.note(`${harm} ${victim.name}: it is not there`);
      return;
    }
    this.tally[harm].set(victim.name, (this.tally[harm].get(victim.name) ?? 0) + 1);
    await (harm === 'kill' ? this.#kill(victim, pid, dice) : this.#freeze(victim, pid, forMs));
  }

  async #kill({ name, kills, pid: now }: Victim, pid: number, dice: number): Promise<void> {
    const below = descendantsOf(pid);
    const child = below[dice % below.length];
    const killed = kills === 'one' ? [pid] : kills === 'family' ? [pid, ...below] : child === undefined ? [] : [child];
    this.#journal.note(`kill ${name} (${killed.join(' ')})`);
    killHard(...killed);
    if (killed.includes(pid)) {
      await until(`${name} is back`, () => now() !== pid && isAlive(now()), { timeoutMs: BACK_WITHIN_MS });
      this.#journal.note(`${name} is back (${now()})`);
    }
  }

  async #freeze({ name }: Victim, pid: number, forMs: number): Promise<void> {
    // From the top, so that nobody makes another one meanwhile.
    const family = [pid, ...descendantsOf(pid)];
    this.#journal.note(`freeze ${name} for ${forMs} ms`);
    for (const each of family) {
      signal(each, 'SIGSTOP');
      this.#frozen.add(each);
    }
    await delay(forMs);
    for (const each of family) {
      signal(each, 'SIGCONT');
      this.#frozen.delete(each);
    }
    this.#journal.note(`${name} is thawed`);
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // Gone already.
  }
}
