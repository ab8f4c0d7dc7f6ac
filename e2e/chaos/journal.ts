/** What was done to the mesh and what is wrong with it, in order of time. */

/** What a complaint is about. */
export type Fault = 'lost' | 'stuck' | 'doubled' | 'history' | 'outcome' | 'ledger' | 'left over' | 'broken';

export interface Complaint {
  readonly fault: Fault;
  readonly run: string;
  readonly text: string;
}

export class Journal {
  readonly complaints: Complaint[] = [];
  readonly #entries: string[] = [];
  readonly #startedAt = Date.now();

  note(text: string): void {
    const seconds = ((Date.now() - this.#startedAt) / 1_000).toFixed(2);
    this.#entries.push(`${new Date().toISOString()} ${seconds.padStart(7)} s  ${text}`);
  }

  complain(fault: Fault, run: string, text: string): void {
    this.complaints.push({ fault, run, text });
    this.note(`WRONG (${fault}) ${run}: ${text}`);
  }

  of(fault: Fault): readonly string[] {
    return this.complaints.filter((each) => each.fault === fault).map(({ run, text }) => `${run}: ${text}`);
  }

  get lines(): readonly string[] {
    return this.#entries;
  }
}
