/**
 * Kills (SIGKILL), stops (SIGTERM) and freezes (SIGSTOP) processes at random, one at a time or two at once, with random rests in between. Every
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
  /** It ends in order when told to. */
  readonly stops?: boolean;
  /** Struck before any that is not. */
  readonly isFirst?: boolean;
}

type Harm = 'kill' | 'stop' | 'freeze';

interface Blow {
  readonly victim: Victim;
  readonly harm: Harm;
}

/** How often each was met, by name. */
export type Tally = Readonly<Record<Harm, Map<string, number>>>;

/** What is below a process is only killed. */
const harmsOf = ({ kills, stops }: Victim): readonly Harm[] =>
  kills === 'child' ? ['kill'] : ['kill', 'freeze', ...(stops ? ['stop' as const] : [])];

const BACK_WITHIN_MS = 60_000;

export class Faults {
  readonly tally: Tally = { kill: new Map(), stop: new Map(), freeze: new Map() };
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
    const counts = Object.values(this.tally).flatMap((each) => [...each.values()]);
    return counts.reduce((sum, each) => sum + each, 0);
  }

  /** Strikes until `until` and returns when nothing is frozen and everything killed is back as a process. */
  async rage(end: number): Promise<void> {
    try {
      while (Date.now() < end) {
        await delay(this.#chance.between(500, 4_000));
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
    if (this.#deck.length === 0) this.#deck = this.#shuffled();
    return this.#deck.pop() as Blow;
  }

  /** Drawn from the end: each that comes first in one way, then everything else. */
  #shuffled(): Blow[] {
    const all = this.#victims.flatMap((victim) => harmsOf(victim).map((harm): Blow => ({ victim, harm })));
    const shuffled = this.#chance.some(all, all.length);
    const isEarly = ({ victim }: Blow, index: number) =>
      victim.isFirst === true && shuffled.findIndex((each) => each.victim === victim) === index;
    return [...shuffled.filter((each, index) => !isEarly(each, index)), ...shuffled.filter(isEarly)];
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
    if (harm === 'freeze') await this.#freeze(victim, pid, forMs);
    else if (harm === 'stop') await this.#stop(victim, pid);
    else await this.#kill(victim, pid, dice);
  }

  async #stop(victim: Victim, pid: number): Promise<void> {
    this.#journal.note(`stop ${victim.name} (${pid})`);
    signal(pid, 'SIGTERM');
    await this.#untilBack(victim, pid);
  }

  async #untilBack({ name, pid: now }: Victim, pid: number): Promise<void> {
    await until(`${name} is back`, () => now() !== pid && isAlive(now()), { timeoutMs: BACK_WITHIN_MS });
    this.#journal.note(`${name} is back (${now()})`);
  }

  async #kill(victim: Victim, pid: number, dice: number): Promise<void> {
    const { name, kills } = victim;
    const below = descendantsOf(pid);
    const child = below[dice % below.length];
    const killed = kills === 'one' ? [pid] : kills === 'family' ? [pid, ...below] : child === undefined ? [] : [child];
    this.#journal.note(`kill ${name} (${killed.join(' ')})`);
    killHard(...killed);
    if (killed.includes(pid)) await this.#untilBack(victim, pid);
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
