/**
 * Allowed reads inside one organisation, until they are written: listed for a short while, equal cached ones counted for a longer one.
 * When there is no room for them they are counted per organisation, and the log says how many are not listed.
 */
import type { LoggedDecision, LoggedQuestion } from './record.js';

export interface Gathered {
  readonly question: LoggedQuestion;
  readonly decisions: readonly LoggedDecision[];
  readonly atMs: number;
  /** Equal ones become one entry with a count. Those that repeat a listed decision can wait longer than those that are only alike. */
  readonly countedAs?: 'repeated' | 'alike';
}

interface Counted {
  readonly question: LoggedQuestion;
  readonly decision: LoggedDecision;
  readonly atMs: number;
  /** From when it waits to be written, milliseconds since 1970. */
  readonly sinceMs: number;
  count: number;
}

/** Code of the entry that stands for reads which were allowed and are not listed. */
export const notListedCode = 'not_listed';

export class PlainReads {
  #listed: Gathered[] = [];
  #listedDecisions = 0;
  #counted = new Map<string, Counted>();
  /** The same by the entry itself: a cache hands out one object for equal decisions, and then no key need be made. */
  #countedByEntry = new Map<LoggedDecision, Counted>();
  #countedSinceMs = Infinity;
  readonly #dropped = new Map<string, number>();

  /** Entries they would be. */
  get size(): number {
    return this.#listedDecisions + this.#counted.size;
  }

  get isEmpty(): boolean {
    return this.size === 0 && this.#dropped.size === 0;
  }

  /** Since when the oldest of what is counted waits, milliseconds since 1970; `Infinity` when nothing does. */
  get countedSinceMs(): number {
    return this.#countedSinceMs;
  }

  add(gathered: Gathered): void {
    const { question, decisions, atMs, countedAs } = gathered;
    if (countedAs === undefined) {
      this.#listed.push(gathered);
      this.#listedDecisions += decisions.length;
      return;
    }
    const sinceMs = countedAs === 'alike' ? 0 : atMs;
    for (const decision of decisions) this.#count({ question, decision, atMs, sinceMs, count: decision.count ?? 1 });
  }

  /** They happened, and there was no room to say more than how many, which is the answer. */
  drop({ question, decisions }: Gathered): number {
    const { organisation } = question.subject;
    const count = decisions.reduce((sum, decision) => sum + (decision.count ?? 1), 0);
    this.#dropped.set(organisation, (this.#dropped.get(organisation) ?? 0) + count);
    return count;
  }

  /** What is listed, and with `counted` what is counted too; it is here no more. */
  take({ counted }: { readonly counted: boolean }): Gathered[] {
    const taken = this.#listed;
    this.#listed = [];
    this.#listedDecisions = 0;
    if (!counted) return taken;
    for (const { question, decision, atMs, count } of this.#counted.values())
      taken.push({ question, decisions: [{ ...decision, count }], atMs });
    this.#counted = new Map();
    this.#countedByEntry = new Map();
    this.#countedSinceMs = Infinity;
    return taken;
  }

  /** How many of which organisation were not listed; what is answered is forgotten. */
  takeDropped(atMs: number): Gathered[] {
    const taken = [...this.#dropped].map(([organisation, count]) => notListed(organisation, count, atMs));
    this.#dropped.clear();
    return taken;
  }

  #count(one: Counted): void {
    let known = this.#countedByEntry.get(one.decision);
    if (known === undefined) {
      const key = keyOf(one);
      known = this.#counted.get(key);
      if (known === undefined) return this.#countFirst(key, one);
    }
    known.count += one.count;
  }

  #countFirst(key: string, one: Counted): void {
    this.#counted.set(key, one);
    this.#countedByEntry.set(one.decision, one);
    this.#countedSinceMs = Math.min(this.#countedSinceMs, one.sinceMs);
  }
}

/** One entry object belongs to one subject. */
function keyOf({ question: { subject }, decision }: Counted): string {
  const { action, resource, owner, epoch } = decision;
  const named = [subject.issuer, subject.sub, subject.organisation, action, resource, owner, String(epoch)];
  return `${named.map((name) => `${name.length}:${name}`).join('')}${subject.roles.join(' ')}`;
}

function notListed(organisation: string, count: number, atMs: number): Gathered {
  const decision = {
    action: '',
    resource: '',
    owner: organisation,
    allowed: true,
    code: notListedCode,
    reason: `${count} allowed reads are not listed: the decision log of this enforcement point had no room for them`,
    rules: [],
    epoch: 0,
    count,
  };
  const subject = { issuer: '', sub: '', organisation, roles: [], attributes: {} };
  return { question: { subject }, decisions: [decision], atMs };
}
