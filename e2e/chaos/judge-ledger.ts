/** What agents say they did, against what the mesh says was done: nothing unasked, nothing taken for done that was not. */
import { isDeepStrictEqual } from 'node:util';
import type { RunEvent } from '@cogmesh/sdk';
import type { LedgerEntry } from './crew.js';
import type { Fault } from './journal.js';
import { inputsOf } from './model.js';
import type { Observed } from './observed.js';
import type { Program, Step } from './program.js';

type Complain = (fault: Fault, text: string) => void;

export interface Account {
  /** Work that was done and whose result was taken. */
  succeeded: number;
  /** Calls of an attempt beyond its first. */
  repeated: number;
}

/** By run. */
export type Ledger = ReadonlyMap<string, readonly LedgerEntry[]>;

export const byRun = (entries: readonly LedgerEntry[]): Ledger => Map.groupBy(entries, ({ run }) => run);

/** Every run that is told about, nested ones too. */
export const familyOf = (run: Observed): readonly Observed[] => [
  run,
  ...[...run.nested.values()].flat().flatMap(familyOf),
];

export function judgeLedger(program: Program, run: Observed, { ledger, account, complain }: Books): void {
  const entries = ledger.get(run.view.id) ?? [];
  for (const [id, step] of program.steps) {
    if (step.kind === 'tool')
      judgeTool(run, step, { ledger: entries.filter(({ task }) => task === id), account, complain });
  }
  for (const [id, runs] of run.nested) {
    const nested = program.steps.get(id)?.nested;
    for (const each of nested ? runs : []) judgeLedger(nested as Program, each, { ledger, account, complain });
  }
}

interface Books {
  readonly ledger: Ledger;
  readonly account: Account;
  readonly complain: Complain;
}

interface Page extends Omit<Books, 'ledger'> {
  readonly ledger: readonly LedgerEntry[];
}

function judgeTool(run: Observed, step: Step, page: Page): void {
  const inputs = inputsOf(run, step);
  const { id } = step.task;
  const states = run.events.filter(({ type, taskId }) => type === 'task.state' && taskId === id);
  for (const [index, input] of inputs.entries()) {
    const item = step.each === undefined ? -1 : index;
    const own = { ...page, ledger: page.ledger.filter((entry) => entry.index === item) };
    judgeWork(
      `${id}[${item}] of ${run.view.id}`,
      states.filter((event) => (event.index ?? -1) === item),
      own,
    );
    for (const { input: given } of own.ledger) {
      if (given && !isDeepStrictEqual(given, input)) {
        page.complain('ledger', `${id}[${item}] was given ${JSON.stringify(given)}, not ${JSON.stringify(input)}`);
      }
    }
  }
  const strays = page.ledger.filter(({ index }) => (step.each ? index < 0 || index >= inputs.length : index !== -1));
  if (strays.length > 0)
    page.complain('ledger', `${id} was called for items that it does not have: ${strays[0]?.index}`);
}

function judgeWork(name: string, states: readonly RunEvent[], { ledger, account, complain }: Page): void {
  const last = states.at(-1);
  const begun = ledger.filter(({ input }) => input !== undefined);
  const attempts = new Set(begun.map(({ attempt }) => attempt));
  account.repeated += begun.length - attempts.size;
  if (last?.taskState === 'SUCCEEDED') {
    account.succeeded += 1;
    if (!ledger.some(({ attempt, answer }) => attempt === last.attempt && answer === 'done')) {
      complain('ledger', `${name} succeeded with attempt ${last.attempt}, which no agent did`);
    }
  }
  const late = begun.filter(({ attempt }) => last?.taskState === 'SUCCEEDED' && attempt > (last.attempt ?? 0));
  if (late.length > 0)
    complain('doubled', `${name} was done again, attempt ${late[0]?.attempt}, after it had succeeded`);
}
