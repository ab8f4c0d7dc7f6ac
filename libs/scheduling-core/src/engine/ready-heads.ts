/**
 * The ready tasks that may be offered now: of every lane (tasks that the same agents may serve under the same limits) only
 * the first are in memory, the rest stays in the store and is read page by page. What needs an agent goes into the fair
 * order, what has to be prepared first to the controls. Memory is bounded by the number of lanes, not of tasks.
 *
 * A page is read behind everything decided before it (`stored`), and what is decided while it is read wins over it, so that
 * nothing is lost and nothing comes twice.
 */
import type { FairOrder } from '../fair-order.js';
import { capabilityScope, groupScope, organisationScope } from '../scope-keys.js';
import type { Deferrals } from './deferrals.js';
import type { OnTrouble } from './dispatch-ports.js';
import { needOf } from './need.js';
import type { EngineStore, LaneName, Snapshot } from './ports.js';
import { ReadyLane, type LaneChange } from './ready-lane.js';
import type { Residents } from './residents.js';
import type { ReadyEntry } from './rows.js';

/** Entries of control lanes, before they are prepared. */
export interface Preparation {
  precede(entry: ReadyEntry): void;
  forget(key: string): void;
}

/** What of the engine is needed here. */
export interface HeadsEngine {
  readonly generation: number;
  readonly owned: ReadonlyMap<number, number>;
  readonly residents: Pick<Residents, 'get'>;
  stored(): Promise<void>;
}

export interface ReadyHeadsOptions {
  readonly order: FairOrder<ReadyEntry>;
  readonly store: Pick<EngineStore, 'ready'>;
  readonly engine: HeadsEngine;
  readonly preparation: Preparation;
  readonly deferrals: Deferrals;
  /** Ready tasks of one lane that are held in memory; a lane holds up to twice as many for a while. */
  readonly headSize: number;
  /** Something may be offered that was not before. */
  readonly onOffer: () => void;
  readonly onTrouble: OnTrouble;
}

export interface LaneSize {
  readonly size: number;
  /** Lanes that came and went before it came; or until now, when it is not there. */
  readonly made: number;
  /** Grows with everything that changes the size. */
  readonly changes: number;
  /** All of it is in memory. */
  readonly isComplete: boolean;
}

/** Pages that are read at once. */
const maxReading = 4;

export class ReadyHeads {
  readonly #options: ReadyHeadsOptions;
  readonly #lanes = new Map<string, ReadyLane>();
  /** Lanes that wait for a page, in the order in which they came to need one. */
  readonly #wanting = new Set<ReadyLane>();
  #reading = 0;
  /** Lanes that came and went. */
  #made = 0;

  constructor(options: ReadyHeadsOptions) {
    this.#options = options;
  }

  /** Memory is thrown away. */
  reset(): void {
    this.#lanes.clear();
    this.#wanting.clear();
    this.#reading = 0;
    this.#options.order.clear();
  }

  restored(lanes: Snapshot['lanes']): void {
    for (const { ready, ...name } of lanes) {
      this.#made += 1;
      const lane = new ReadyLane(name, { headSize: this.#options.headSize, made: this.#made, stored: ready });
      this.#lanes.set(keyOfLane(name), lane);
      this.#wanting.add(lane);
    }
    this.#read();
  }

  /** A task became ready. `rests`: it was handed back, and is left alone for a while. */
  offer(entry: ReadyEntry, rests = false): void {
    this.#apply(this.#laneOf(entry).offer(entry, rests));
    if (rests) this.#restFor(entry);
  }

  /** A task is ready no more: it was claimed, or ended otherwise. */
  left(entry: ReadyEntry): void {
    const lane = this.#lanes.get(keyOfEntry(entry));
    if (!lane) return;
    if (lane.left(entry.key)) this.#withdraw(entry.key);
    this.#look(lane);
  }

  /** A ready task has another priority, and so another place. */
  reprioritise(entry: ReadyEntry): void {
    const lane = this.#laneOf(entry);
    this.#apply(lane.moved(entry));
    // The last one in memory may have gone behind those that only the store holds.
    this.#look(lane);
  }

  /** Somebody begins to work on it: the order, or the controls, have it no more. */
  take(entry: ReadyEntry): void {
    const lane = this.#lanes.get(keyOfEntry(entry));
    lane?.take(entry.key);
    if (lane) this.#look(lane);
  }

  /** Work on it came to nothing: it is offered again, if it is still ready. */
  again(entry: ReadyEntry): void {
    this.#giveBack(entry, false);
  }

  /** What precedes its claim is done. */
  prepared(entry: ReadyEntry): void {
    this.#giveBack(entry, true);
  }

  /** Whoever works on it cannot go on now: it is offered again after a wait that grows. */
  putOff(entry: ReadyEntry): void {
    this.#lanes.get(keyOfEntry(entry))?.rest(entry.key);
    this.#restFor(entry);
  }

  /** Whoever worked on it did not find it ready. */
  gone(entry: ReadyEntry): void {
    const lane = this.#lanes.get(keyOfEntry(entry));
    if (!lane?.isInHand(entry.key)) return;
    // It became ready again a moment ago; should its run refuse it for long, this does not spin.
    if (this.#stateOf(entry) === 'ready') return this.putOff(entry);
    lane.gone(entry.key);
    this.#look(lane);
  }

  /** A ready task has its place: in memory, or behind what is in memory and yet to be read. */
  hasPlaceFor(entry: ReadyEntry): boolean {
    const lane = this.#lanes.get(keyOfEntry(entry));
    if (!lane) return false;
    if (lane.has(entry.key)) return true;
    return lane.isReading || (lane.isBehind(entry) && (lane.waiting > 0 || !lane.needsPage || this.#wanting.has(lane)));
  }

  /**
   * It has its place, and whoever is to take it from there knows it. `isWorkedOn`: somebody prepares or claims it now.
   */
  isServed(entry: ReadyEntry, isWorkedOn: (key: string) => boolean): boolean {
    const { order, deferrals } = this.#options;
    const lane = this.#lanes.get(keyOfEntry(entry));
    switch (lane?.stateOf(entry.key)) {
      case undefined:
        return this.hasPlaceFor(entry) || deferrals.isWaiting(`lane ${keyOfEntry(entry)}`);
      case 'resting':
        return deferrals.isWaiting(entry.key);
      case 'in hand':
        return isWorkedOn(entry.key);
      case 'waiting':
        return order.has(entry.key) || isWorkedOn(entry.key);
    }
  }

  /** Its place is found anew. */
  restore(entry: ReadyEntry): void {
    this.left(entry);
    this.offer(entry);
  }

  /** What is known of a lane's size; undefined while it is being read. */
  known(name: LaneName): LaneSize | undefined {
    const lane = this.#lanes.get(keyOfLane(name));
    if (!lane) return { size: 0, made: this.#made, changes: 0, isComplete: true };
    const { size, changes, isComplete, made } = lane;
    return lane.isReading ? undefined : { size, made, changes, isComplete };
  }

  recount(name: LaneName, stored: number): void {
    this.#lanes.get(keyOfLane(name))?.recount(stored);
  }

  /** Lanes with ready tasks, wherever those are. */
  names(): LaneName[] {
    return [...this.#lanes.values()].filter(({ size }) => size > 0).map(({ name }) => name);
  }

  /** Ready tasks of a scope, those that only the store holds included. */
  sizeOf(scope: string): number {
    let size = 0;
    for (const lane of this.#lanes.values()) if (isIn(scope, lane.name)) size += lane.size;
    return size;
  }

  /** Tasks of the entry's lane that are in memory, when the entry itself is not: at least so many go before it. */
  aheadOf(entry: ReadyEntry): number | undefined {
    const lane = this.#lanes.get(keyOfEntry(entry));
    return !lane || lane.has(entry.key) ? undefined : lane.waiting;
  }

  #restFor(entry: ReadyEntry): void {
    this.#options.deferrals.defer(entry.key, () => {
      const lane = this.#lanes.get(keyOfEntry(entry));
      if (lane) this.#give(lane, lane.rested(entry.key));
    });
  }

  #giveBack(entry: ReadyEntry, isPrepared: boolean): void {
    const lane = this.#lanes.get(keyOfEntry(entry));
    if (lane) this.#give(lane, lane.again(entry.key, isPrepared));
  }

  #give(lane: ReadyLane, entry: ReadyEntry | undefined): void {
    if (entry) this.#propose(entry, lane);
    else this.#look(lane);
  }

  #apply({ added, dropped }: LaneChange): void {
    for (const { key } of dropped) this.#withdraw(key);
    for (const entry of added) this.#propose(entry, this.#laneOf(entry));
  }

  #propose(entry: ReadyEntry, lane: ReadyLane): void {
    if (!lane.has(entry.key)) return;
    if (entry.control && !lane.isPrepared(entry.key)) this.#options.preparation.precede(entry);
    else this.#options.order.add(entry);
    this.#options.onOffer();
  }

  #stateOf({ runId, taskId, itemIndex }: ReadyEntry): 'ready' | 'not ready' | 'unknown' {
    const run = this.#options.engine.residents.get(runId);
    if (!run) return 'unknown';
    return run.task(taskId, itemIndex)?.state === 'READY' && run.row.state !== 'PAUSED' ? 'ready' : 'not ready';
  }

  #withdraw(key: string): void {
    this.#options.order.remove(key);
    this.#options.preparation.forget(key);
  }

  #laneOf(entry: ReadyEntry): ReadyLane {
    const key = keyOfEntry(entry);
    let lane = this.#lanes.get(key);
    if (!lane) {
      this.#made += 1;
      lane = new ReadyLane(nameOf(entry), { headSize: this.#options.headSize, made: this.#made });
      this.#lanes.set(key, lane);
    }
    return lane;
  }

  #look(lane: ReadyLane): void {
    const key = keyOfLane(lane.name);
    // One that was empty and forgotten may have a successor by now.
    if (this.#lanes.get(key) !== lane) return;
    if (lane.isEmpty && this.#lanes.delete(key)) this.#made += 1;
    if (!lane.needsPage) return;
    this.#wanting.add(lane);
    this.#read();
  }

  #read(): void {
    for (const lane of this.#wanting) {
      if (this.#reading >= maxReading) return;
      this.#wanting.delete(lane);
      if (lane.needsPage) void this.#readPage(lane);
    }
  }

  async #readPage(lane: ReadyLane): Promise<void> {
    const { engine, store, headSize, onTrouble, deferrals } = this.#options;
    const { generation } = engine;
    const after = lane.beginPage();
    this.#reading += 1;
    try {
      await engine.stored();
      const page = await store.ready([...engine.owned.keys()], { ...lane.name, after, limit: headSize });
      if (generation !== engine.generation) return;
      this.#reading -= 1;
      this.#apply(lane.endPage(page, (entry) => this.#stateOf(entry) !== 'not ready'));
      this.#look(lane);
    } catch (error) {
      if (generation !== engine.generation) return;
      this.#reading -= 1;
      lane.abandonPage();
      onTrouble(error, 'reading ready tasks');
      deferrals.defer(`lane ${keyOfLane(lane.name)}`, () => this.#look(lane));
    }
    this.#read();
  }
}

const keyOf = (organisation: string, group: string | null | undefined, { need, control }: LaneNeed): string =>
  `${organisation} ${group ?? ''} ${control ? 'control' : 'work'} ${need}`;

interface LaneNeed {
  readonly need: string;
  readonly control: boolean;
}

const keyOfEntry = ({ organisation, concurrencyGroup, group, control }: ReadyEntry): string =>
  keyOf(organisation, concurrencyGroup, { need: group, control });

const keyOfLane = (name: LaneName): string =>
  keyOf(name.organisation, name.concurrencyGroup, { need: needOf(name), control: name.control });

function nameOf({ organisation, group, concurrencyGroup, control }: ReadyEntry): LaneName {
  const [uses = '', affinity = null] = group.split('\n');
  return { organisation, uses, affinity, concurrencyGroup: concurrencyGroup ?? null, control };
}

function isIn(scope: string, { organisation, uses, concurrencyGroup }: LaneName): boolean {
  return (
    scope === organisationScope(organisation) ||
    scope === capabilityScope(uses) ||
    (concurrencyGroup !== null && scope === groupScope(organisation, concurrencyGroup))
  );
}
