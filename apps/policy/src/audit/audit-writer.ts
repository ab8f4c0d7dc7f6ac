/**
 * The one writer of the decision log. What several enforcement points send at the same time is one transaction; each entry goes into
 * the chain of the subject's organisation and, when that is another, of the owner's. A name that is no organisation gets no
 * chain, or whoever asks about `/models/<any name>/x` could make as many as they like.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { DecisionBatch } from '@cogmesh/enforcement';
import type { AppendOutcome, AuditStore, RecordEntries, SpoolAppend } from './audit-store.js';
import { encodeEntry } from './entry-codec.js';
import type { Entry } from './entry.js';
import { appendRecordsMax } from './limits.js';
import { entriesOf } from './read-record.js';

/** Chain of what belongs to no organisation that exists. No organisation has this name. */
export const unknownOrganisation = '?';

export interface AuditWriterOptions {
  readonly store: Pick<AuditStore, 'append'>;
  readonly isOrganisation: (name: string) => boolean;
}

interface Waiting {
  readonly append: SpoolAppend;
  readonly resolve: (outcome: AppendOutcome) => void;
  readonly reject: (error: unknown) => void;
}

/** Batches in one transaction; more wait for the next. */
const appendsAtOnce = 32;

export class AuditWriter {
  readonly #options: AuditWriterOptions;
  #waiting: Waiting[] = [];
  #isWriting = false;

  constructor(options: AuditWriterOptions) {
    this.#options = options;
  }

  /**
   * Highest sequence of the spool that is durable now. `conflict` with `accepted` in the details when something before the batch is missing;
   * `invalid_argument` when it is no batch.
   */
  async append({ spoolId, after, records }: DecisionBatch, sender: string): Promise<number> {
    assertBatch(spoolId, records);
    const append: SpoolAppend = {
      spoolId,
      after,
      records: records.map(({ sequence, json }) => this.#recordEntries(json, { spoolId, sequence, sender })),
    };
    const { accepted, isTaken } = await new Promise<AppendOutcome>((resolve, reject) => {
      this.#waiting.push({ append, resolve, reject });
      if (!this.#isWriting) void this.#write();
    });
    if (isTaken) return accepted;
    throw new CogmeshError(
      'conflict',
      `of spool ${spoolId} only ${String(accepted)} is here, not ${String(after)}; send again from there`,
      { accepted },
    );
  }

  async #write(): Promise<void> {
    this.#isWriting = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, appendsAtOnce);
      try {
        const outcomes = await this.#options.store.append(batch.map(({ append }) => append));
        batch.forEach(({ resolve, reject }, i) => {
          const outcome = outcomes[i];
          if (outcome === undefined) reject(new CogmeshError('internal', 'the store answered for fewer batches'));
          else resolve(outcome);
        });
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#isWriting = false;
  }

  #recordEntries(json: string, source: Parameters<typeof entriesOf>[1]): RecordEntries {
    const entries = entriesOf(json, source).map((entry) => ({
      atMs: entry.atMs,
      bytes: encodeEntry(entry),
      organisations: this.#chainsOf(entry),
    }));
    return { sequence: source.sequence, entries };
  }

  #chainsOf({ subject, owner }: Entry): string[] {
    const names = [...new Set([subject.organisation, owner])].filter((name) => this.#options.isOrganisation(name));
    return names.length === 0 ? [unknownOrganisation] : names;
  }
}

function assertBatch(spoolId: string, records: DecisionBatch['records']): void {
  if (!/^[0-9a-f]{32}$/.test(spoolId))
    throw new CogmeshError('invalid_argument', 'the spool id is not 32 hexadecimal digits');
  if (records.length === 0 || records.length > appendRecordsMax)
    throw new CogmeshError('invalid_argument', `a batch has 1 to ${String(appendRecordsMax)} records`);
  const isRising = records.every(({ sequence }, i) => sequence > (records[i - 1]?.sequence ?? 0));
  if (!isRising) throw new CogmeshError('invalid_argument', 'the sequences of a batch must rise, from 1');
}
