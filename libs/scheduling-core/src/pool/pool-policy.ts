/**
 * When one capability gets more slots, where, and when it gives them back. A state machine over what is seen of it now and
 * then; it reads no clock, asks nobody and changes nothing. Grows when the next task in order has waited too long for some
 * time, or the hosts have been too busy while every slot was; shrinks to the highest need of the stabilisation window. Never
 * below the fixed pool, nor below what is busy. Growth that lowered throughput is taken back.
 */
import type { Place, PoolSlots } from './agent-pool.js';
import { Needs } from './needs.js';
import { kindOf, roomOf, surplusOf, type AgentSlots } from './same-host.js';
import type { PoolSettings } from './settings.js';
import { ThroughputGuard, type Loss } from './throughput-guard.js';

export interface PoolObservation {
  /** Agents that serve it now. */
  readonly agents: readonly AgentSlots[];
  readonly busySlots: number;
  /** Ready tasks that no limit or pause holds back. */
  readonly queued: number;
  /** How long the next of them has waited, milliseconds. */
  readonly waitMs: number;
  /** What more agents elsewhere can do; undefined where nobody can start any. */
  readonly elsewhere: PoolSlots | undefined;
  /** Work items its agents have ended; undefined where they also do other work. */
  readonly completed: number | undefined;
}

export interface PoolChange {
  readonly place: Place;
  /** More when above 0. */
  readonly by: number;
}

export interface PoolDecision {
  /** Slots it has. */
  readonly slots: number;
  readonly desiredSlots: number;
  readonly change: PoolChange | undefined;
  /** One sentence for people. */
  readonly reason: string;
}

export class PoolPolicy {
  readonly #settings: PoolSettings;
  readonly #needs: Needs;
  readonly #guard: ThroughputGuard;
  #waitingSinceMs: number | undefined;
  #busySinceMs: number | undefined;
  #quietUntilMs = -Infinity;
  #noGrowthUntilMs = -Infinity;
  /** Slots that were asked for and are not there yet. */
  #awaited: { readonly slots: number; readonly untilMs: number } | undefined;
  /** Where the last growth was. */
  #grewIn: Place = 'same-host';

  constructor(settings: PoolSettings) {
    this.#settings = settings;
    this.#needs = new Needs(settings.stabilisationMs);
    this.#guard = new ThroughputGuard(settings);
  }

  /** `nowMs`: monotonic. Whoever asks carries the change out. */
  decide(seen: PoolObservation, nowMs: number): PoolDecision {
    const now = { ...seen, slots: slotsOf(seen.agents), hostCpu: hostCpuOf(seen.agents), nowMs };
    this.#note(now);
    const missing = seen.elsewhere ? seen.elsewhere.min - seen.elsewhere.slots : 0;
    if (missing > 0) return this.#changed(now, { place: 'other-hosts', by: missing }, 'its fixed pool');
    const loss = this.#guard.judge(nowMs);
    if (loss) return this.#takeBack(now, loss);
    const cause = this.#cause(now);
    this.#needs.note(this.#needed(now, cause !== undefined), nowMs);
    if (nowMs < this.#quietUntilMs) return hold(now, 'a change is less than the cool-down ago');
    return cause === undefined ? this.#shrink(now) : this.#grow(now, cause);
  }

  /** What was decided last could not be carried out. */
  undone(): void {
    this.#awaited = undefined;
    this.#guard.forget();
  }

  #note(now: Seen): void {
    const { cpuThreshold, waitTargetMs } = this.#settings;
    const { slots, hostCpu = 0, queued, waitMs, nowMs, completed } = now;
    const isBusy = hostCpu > cpuThreshold && isFull(now);
    this.#busySinceMs = isBusy ? (this.#busySinceMs ?? nowMs) : undefined;
    this.#waitingSinceMs = queued > 0 && waitMs > waitTargetMs ? (this.#waitingSinceMs ?? nowMs) : undefined;
    this.#guard.note({ atMs: nowMs, completed, isFull: isFull(now) && queued > 0 });
    if (!this.#awaited) return;
    if (slots >= this.#awaited.slots || nowMs >= this.#awaited.untilMs) this.#awaited = undefined;
    else this.#guard.wait(nowMs);
  }

  /** Why it should grow. */
  #cause({ waitMs, queued, busySlots, slots, hostCpu = 0, nowMs }: Seen): string | undefined {
    const { waitForMs, waitTargetMs, cpuForMs, cpuThreshold } = this.#settings;
    if (this.#waitingSinceMs !== undefined && nowMs - this.#waitingSinceMs >= waitForMs) {
      const since = nowMs - this.#waitingSinceMs;
      return `${queued} wait, the next for ${ms(waitMs)}, above ${ms(waitTargetMs)} for ${ms(since)}; ${busySlots} of ${slots} slots busy`;
    }
    if (this.#busySinceMs !== undefined && nowMs - this.#busySinceMs >= cpuForMs) {
      const since = nowMs - this.#busySinceMs;
      return `its hosts use ${percent(hostCpu)} of their processors, above ${percent(cpuThreshold)} for ${ms(since)}; ${busySlots} of ${slots} slots busy`;
    }
    return undefined;
  }

  /** What would be enough now. Whoever should grow, or whose next task waits too long, needs what there is at least. */
  #needed({ busySlots, queued, slots }: Seen, shouldGrow: boolean): number {
    const isShort = shouldGrow || this.#waitingSinceMs !== undefined || this.#awaited !== undefined;
    return Math.max(busySlots + queued, isShort ? slots : 0);
  }

  #grow(now: Seen, cause: string): PoolDecision {
    // Slots are not what is short: nobody has the labels that are asked for, or the scheduler itself is slow.
    if (now.slots > 0 && !isFull(now)) return hold(now, `${cause}; more of them would not help while some are free`);
    if (now.nowMs < this.#noGrowthUntilMs) return hold(now, `${cause}; the last growth lost throughput, so not now`);
    if (this.#guard.isJudging) return hold(now, `${cause}; the last growth is still being measured`);
    const want = this.#wanted(now);
    const change = this.#inPlace(now, want) ?? this.#elsewhere(now, want);
    if (!change) return hold(now, `${cause}; ${this.#whyNot(now)}`);
    this.#guard.grew(now.slots, now.nowMs);
    this.#grewIn = change.place;
    this.#awaited = { slots: now.slots + change.by, untilMs: now.nowMs + this.#settings.startPatienceMs };
    return this.#changed(now, change, cause);
  }

  /** Twice what there is at most, and no more than would be used. */
  #wanted({ slots, queued, busySlots, agents }: Seen): number {
    const short = Math.max(1, busySlots + queued - slots);
    return Math.min(short, Math.max(1, slots), this.#settings.maxStep, agents.length === 0 ? 1 : Infinity);
  }

  #inPlace({ agents }: Seen, want: number): PoolChange | undefined {
    if (this.#awaited) return undefined;
    const room = agents.reduce((sum, agent) => sum + roomOf(agent, this.#settings), 0);
    return room > 0 ? { place: 'same-host', by: Math.min(want, room) } : undefined;
  }

  #elsewhere({ elsewhere }: Seen, want: number): PoolChange | undefined {
    if (!elsewhere || this.#awaited) return undefined;
    const { slots, max, step } = elsewhere;
    const steps = Math.min(Math.ceil(want / step), Math.floor((max - slots) / step));
    return steps > 0 ? { place: 'other-hosts', by: steps * step } : undefined;
  }

  #whyNot({ agents, elsewhere, hostCpu = 0 }: Seen): string {
    if (this.#awaited) return 'slots that were asked for are not there yet';
    const other = elsewhere ? `other hosts have all ${elsewhere.max} slots they may` : 'no other hosts can be asked';
    const growable = agents.filter(({ range }) => range !== undefined);
    if (growable.length === 0) return `the slots of its agents are fixed, and ${other}`;
    const kinds = growable.map((agent) => kindOf(agent, this.#settings));
    if (!kinds.includes('waits')) {
      const kind = kinds.includes('computes') ? 'it computes' : 'nobody knows yet whether it waits or computes';
      return `${kind}, so more slots on its host do not help, and ${other}`;
    }
    if (hostCpu > this.#settings.cpuThreshold) return `its hosts are busy, and ${other}`;
    return `its agents have all the slots they may, and ${other}`;
  }

  #shrink(now: Seen): PoolDecision {
    const needed = this.#needs.highest(now.nowMs);
    if (needed === undefined || needed >= now.slots) return hold(now, 'as many as it needs');
    // Half of them at most, but an agent goes as a whole.
    const most = Math.max(Math.min(Math.ceil(now.slots / 2), this.#settings.maxStep), now.elsewhere?.step ?? 1);
    const surplus = Math.min(now.slots - needed, most);
    const change = this.#less(now, surplus);
    const cause = `the most it needed in ${ms(this.#settings.stabilisationMs)} was ${needed}`;
    if (!change) return hold(now, `${cause}; the rest is its fixed pool`);
    return this.#changed(now, change, cause);
  }

  #less(now: Seen, surplus: number): PoolChange | undefined {
    const free = Math.min(surplus, now.slots - now.busySlots);
    // Slots before agents: an agent that goes takes exactly one step then.
    return fewer(now, 'same-host', free) ?? fewer(now, 'other-hosts', free);
  }

  #takeBack(now: Seen, { slots, before, after }: Loss): PoolDecision {
    this.#noGrowthUntilMs = now.nowMs + this.#settings.stabilisationMs;
    const cause = `throughput fell from ${before.toFixed(1)} to ${after.toFixed(1)} a second since there were ${slots} slots`;
    const change = fewer(now, this.#grewIn, now.slots - slots);
    return change ? this.#changed(now, change, cause) : hold(now, cause);
  }

  #changed(now: Seen, change: PoolChange, cause: string): PoolDecision {
    this.#quietUntilMs = now.nowMs + this.#settings.cooldownMs;
    const { slots } = now;
    const desiredSlots = slots + change.by;
    const where = change.place === 'same-host' ? 'where its agents are' : 'on other hosts';
    return { slots, desiredSlots, change, reason: `${slots} to ${desiredSlots} slots ${where}: ${cause}` };
  }
}

interface Seen extends PoolObservation {
  readonly slots: number;
  readonly hostCpu: number | undefined;
  readonly nowMs: number;
}

/** As many slots fewer there as can go, `most` at most. */
function fewer({ agents, elsewhere }: Seen, place: Place, most: number): PoolChange | undefined {
  const surplus = agents.reduce((sum, agent) => sum + surplusOf(agent), 0);
  const { slots, min, step } = elsewhere ?? { slots: 0, min: 0, step: 1 };
  const by = place === 'same-host' ? Math.min(most, surplus) : Math.floor(Math.min(most, slots - min) / step) * step;
  return by > 0 ? { place, by: -by } : undefined;
}

/** Slots are free for a moment between two pieces of work; this share of them busy counts as all. */
const fullShare = 0.8;
const isFull = ({ busySlots, slots }: Seen): boolean => slots > 0 && busySlots >= fullShare * slots;

const hold = ({ slots }: Seen, reason: string): PoolDecision => ({
  slots,
  desiredSlots: slots,
  change: undefined,
  reason,
});

const slotsOf = (agents: readonly AgentSlots[]): number => agents.reduce((sum, { credits }) => sum + credits, 0);

function hostCpuOf(agents: readonly AgentSlots[]): number | undefined {
  const said = agents.flatMap(({ hostCpu }) => hostCpu ?? []);
  return said.length === 0 ? undefined : said.reduce((sum, cpu) => sum + cpu, 0) / said.length;
}

const ms = (value: number): string => `${Math.round(value).toLocaleString('en')} ms`;
const percent = (share: number): string => `${Math.round(share * 100)} %`;
