/**
 * The decision log at an enforcement point: what was decided is on disk here before anybody acts on it, if it must not be missing, and soon
 * after otherwise; a shipper takes it from there. All calls that wait at one time wait for one write. When the disk does not take an
 * entry that must be kept, the call is refused: nothing is done that cannot be accounted for.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { CogmeshError } from '@cogmesh/errors';
import type { Logger } from '@cogmesh/telemetry';
import type { DecisionLogConfig } from './config.js';
import { plainShare, recordDecisionsMax } from './limits.js';
import { notListedCode, PlainReads, type Gathered } from './plain-reads.js';
import { mustBeKept, recordJson, type LoggedDecision, type LoggedQuestion } from './record.js';
import type { Spool } from './spool.js';

/** Where an enforcement point tells what it decided. */
export interface DecisionLog {
  /**
   * Takes the decisions of one question. When there is a promise, the answer may be acted on only once it is resolved; it
   * rejects with `unavailable` when the decisions could not be kept. Allowed reads are counted instead of listed when they
   * came from a cache, or are said to be many alike.
   */
  record(
    question: LoggedQuestion,
    decisions: readonly LoggedDecision[],
    options?: { readonly alike?: boolean },
  ): Promise<void> | undefined;
}

export interface SpooledLogOptions {
  readonly spool: Spool;
  /** `gateway`, or the service that is guarded. */
  readonly point: string;
  readonly config: Pick<DecisionLogConfig, 'waitMs' | 'windowMs' | 'countWindowMs' | 'bufferEntries' | 'clearNames'>;
  /** There is something new to ship. */
  readonly onWritten?: () => void;
  readonly logger: Logger;
  /** Milliseconds since 1970. Default: the system clock. */
  readonly now?: () => number;
}

/** Between two looks whether a full spool has room again, milliseconds. */
const roomEveryMs = 20;

export class SpooledLog implements DecisionLog {
  readonly #options: SpooledLogOptions;
  readonly #mask: { readonly clearNames: ReadonlySet<string> };
  readonly #now: () => number;
  readonly #plain = new PlainReads();
  #urgent: Gathered[] = [];
  /** The write that is under way, and the one that takes what came since it began. */
  #writing: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  #window: NodeJS.Timeout | undefined;
  #dropped = 0;
  /** The next write takes what is counted, due or not. */
  #takesCounted = false;

  constructor(options: SpooledLogOptions) {
    this.#options = options;
    this.#mask = { clearNames: new Set(options.config.clearNames) };
    this.#now = options.now ?? Date.now;
  }

  /** Decisions that were only counted for want of room, since the start. */
  get dropped(): number {
    return this.#dropped;
  }

  record(
    question: LoggedQuestion,
    decisions: readonly LoggedDecision[],
    { alike = false }: { readonly alike?: boolean } = {},
  ): Promise<void> | undefined {
    if (decisions.length === 0) return undefined;
    const atMs = this.#now();
    const { kept, listed, counted } = sorted(question, decisions, alike);
    if (listed.length > 0) this.#gather({ question, decisions: listed, atMs });
    if (counted.length > 0)
      this.#gather({ question, decisions: counted, atMs, countedAs: alike ? 'alike' : 'repeated' });
    if (kept.length === 0) return undefined;
    this.#urgent.push({ question, decisions: kept, atMs });
    return this.#write();
  }

  /** Writes all that is gathered. Rejects with `unavailable` when the disk does not take it. */
  flush(): Promise<void> {
    clearTimeout(this.#window);
    this.#window = undefined;
    this.#takesCounted = true;
    return this.#plain.isEmpty && this.#urgent.length === 0 ? this.#writing : this.#write();
  }

  #gather(gathered: Gathered): void {
    const { bufferEntries } = this.#options.config;
    if (this.#plain.size >= bufferEntries) {
      this.#drop([gathered]);
      return;
    }
    this.#plain.add(gathered);
    if (this.#plain.size >= bufferEntries / 2) void this.flush().catch(() => undefined);
    else this.#startWindow();
  }

  /** What is listed is due; what is counted when its own window is over. */
  #endWindow(): void {
    this.#window = undefined;
    void this.#write()
      .catch(() => undefined)
      .finally(() => {
        // What is still counted is looked at again; nobody else may come to start a window.
        if (!this.#plain.isEmpty) this.#startWindow();
      });
  }

  #startWindow(): void {
    this.#window ??= setTimeout(() => this.#endWindow(), this.#options.config.windowMs).unref();
  }

  /** Resolved when everything that was there at the call is written. */
  #write(): Promise<void> {
    this.#next ??= this.#writing
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        this.#writing = this.#writeAll();
        return this.#writing;
      });
    return this.#next;
  }

  async #writeAll(): Promise<void> {
    const { spool, onWritten, logger } = this.#options;
    const urgent = this.#records(this.#urgent);
    let plain: Rendered = nothing;
    this.#urgent = [];
    try {
      await this.#waitForRoom(bytesOf(urgent));
      plain = this.#takePlain(bytesOf(urgent));
      const records = plain.records.length === 0 ? urgent : [...urgent, ...plain.records];
      if (records.length === 0) return;
      await spool.append(records);
      onWritten?.();
    } catch (thrown) {
      this.#drop(plain.gathered);
      logger.error({ err: thrown, records: urgent.length }, 'the decision log cannot be written');
      if (thrown instanceof CogmeshError) throw thrown;
      throw unkept('its disk does not take it', thrown);
    }
  }

  async #waitForRoom(bytes: number): Promise<void> {
    const { spool, config } = this.#options;
    const until = performance.now() + config.waitMs;
    while (bytes > 0 && !spool.hasRoom(bytes)) {
      if (performance.now() >= until) throw unkept('it is full');
      await delay(roomEveryMs);
    }
  }

  /** What is gathered of allowed reads, if it may still take room; otherwise it is counted. */
  #takePlain(urgentBytes: number): Rendered {
    const { spool, config } = this.#options;
    const isDue = this.#now() - this.#plain.countedSinceMs >= config.countWindowMs;
    const gathered = this.#plain.take({ counted: isDue || this.#takesCounted });
    const records = this.#records(gathered);
    this.#takesCounted = false;
    if (spool.hasRoom(urgentBytes + bytesOf(records), plainShare)) {
      const dropped = this.#plain.takeDropped(this.#now());
      return { gathered: [...gathered, ...dropped], records: [...records, ...this.#records(dropped)] };
    }
    this.#drop(gathered);
    return nothing;
  }

  #drop(gathered: readonly Gathered[]): void {
    for (const one of gathered) {
      const count = this.#plain.drop(one);
      const isCountedAlready = one.decisions.some(({ code }) => code === notListedCode);
      this.#dropped += isCountedAlready ? 0 : count;
    }
  }

  #records(gathered: readonly Gathered[]): string[] {
    const { point } = this.#options;
    return gathered.flatMap(({ question, decisions, atMs }) => {
      const options = { point, mask: this.#mask, atMs };
      if (decisions.length <= recordDecisionsMax) return [recordJson(question, decisions, options)];
      const parts = Math.ceil(decisions.length / recordDecisionsMax);
      return Array.from({ length: parts }, (_, i) =>
        recordJson(question, decisions.slice(i * recordDecisionsMax, (i + 1) * recordDecisionsMax), options),
      );
    });
  }
}

/** What was gathered, and the same as it is written. */
interface Rendered {
  readonly gathered: readonly Gathered[];
  readonly records: readonly string[];
}

const nothing: Rendered = { gathered: [], records: [] };

interface Sorted {
  readonly kept: readonly LoggedDecision[];
  readonly listed: readonly LoggedDecision[];
  readonly counted: readonly LoggedDecision[];
}

function sorted(question: LoggedQuestion, decisions: readonly LoggedDecision[], alike: boolean): Sorted {
  const [kept, listed, counted]: [LoggedDecision[], LoggedDecision[], LoggedDecision[]] = [[], [], []];
  for (const decision of decisions) {
    if (mustBeKept(question, decision)) kept.push(decision);
    else if (alike || decision.cached === true) counted.push(decision);
    else listed.push(decision);
  }
  return { kept, listed, counted };
}

/** As good as exact for most text; the spool's bound is about disks, not bytes. */
const bytesOf = (records: readonly string[]): number => records.reduce((sum, { length }) => sum + length + 32, 0);

function unkept(why: string, cause?: unknown): CogmeshError {
  const message = `the decision could not be kept in the decision log of this enforcement point: ${why}; try again shortly`;
  return new CogmeshError('unavailable', message, { retryAfterSeconds: 2 }, { cause });
}
