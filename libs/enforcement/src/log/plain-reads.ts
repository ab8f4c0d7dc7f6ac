/**
 * Allowed reads inside one organisation, until they are written: gathered for a while, equal cached ones as one with a count. When
 * there is no room for them they are counted per organisation, and the log says how many are not listed.
 */
import type { LoggedDecision, LoggedQuestion } from './record.js';

export interface Gathered {
  readonly question: LoggedQuestion;
  readonly decisions: readonly LoggedDecision[];
  readonly atMs: number;
  /** Equal ones may become one entry with a count. */
  readonly countable?: boolean;
}

interface Counted {
  readonly question: LoggedQuestion;
  readonly decision: LoggedDecision;
  readonly atMs: number;
  count: number;
}

/** Code of the entry that stands for reads which were allowed and are not listed. */
export const notListedCode = 'not_listed';

export class PlainReads {
  #listed: Gathered[] = [];
  #listedDecisions = 0;
  #counted = new Map<string, Counted>();
  readonly #dropped = new Map<string, number>();

  /** Entries they would be. */
  get size(): number {
    return this.#listedDecisions + this.#counted.size;
  }

  get isEmpty(): boolean {
    return this.size === 0 && this.#dropped.size === 0;
  }

  add(gathered: Gathered): void {
    if (gathered.countable !== true) {
      this.#listed.push(gathered);
      this.#listedDecisions += gathered.decisions.length;
      return;
    }
    const { question, decisions, atMs } = gathered;
    for (const decision of decisions) this.#count({ question, decision, atMs, count: decision.count ?? 1 });
  }

  /** They happened, and there was no room to say more than how many, which is the answer. */
  drop({ question, decisions }: Gathered): number {
    const { organisation } = question.subject;
    const count = decisions.reduce((sum, decision) => sum + (decision.count ?? 1), 0);
    this.#dropped.set(organisation, (this.#dropped.get(organisation) ?? 0) + count);
    return count;
  }

  /** Everything that was gathered, and is no more. */
  take(): Gathered[] {
    const counted = [...this.#counted.values()].map(({ question, decision, atMs, count }): Gathered => {
      return { question, decisions: [{ ...decision, count }], atMs };
    });
    const taken = [...this.#listed, ...counted];
    this.#listed = [];
    this.#listedDecisions = 0;
    this.#counted = new Map();
    return taken;
  }

  /** How many of which organisation were not listed; what is answered is forgotten. */
  takeDropped(atMs: number): Gathered[] {
    const taken = [...this.#dropped].map(([organisation, count]) => notListed(organisation, count, atMs));
    this.#dropped.clear();
    return taken;
  }

  #count(one: Counted): void {
    const { subject } = one.question;
    const { action, resource, owner, epoch } = one.decision;
    const named = [subject.issuer, subject.sub, subject.organisation, action, resource, owner, String(epoch)];
    const key = `${named.map((name) => `${name.length}:${name}`).join('')}${subject.roles.join(' ')}`;
    const known = this.#counted.get(key);
    if (known === undefined) this.#counted.set(key, one);
    else known.count += one.count;
  }
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
