/**
 * Random runs of three organisations while every kind of process, the broker and the database among them, is killed, stopped or
 * frozen at random; afterwards everything the mesh said is held against a naive model and against what the agents wrote down.
 * COGMESH_CHAOS_SECONDS (60) is how long, COGMESH_CHAOS_SEED which programs and which faults.
 */
import { join } from 'node:path';
import { processEnvironment } from '@cogmesh/config';
import type { CogmeshClient, RunView } from '@cogmesh/sdk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../src/poll.js';
import { type Organisation, organisations, type World } from '../src/world.js';
import { Chance } from './chance.js';
import { crewConcurrency } from './crew.js';
import { keepEvidence, lastLines } from './evidence.js';
import { Faults } from './faults.js';
import { type Fault, Journal } from './journal.js';
import { judgeFollowed, judgeHistory } from './judge-history.js';
import { type Account, byRun, familyOf, judgeLedger, type Ledger } from './judge-ledger.js';
import { confessions } from './logs.js';
import { createChaosWorld, type MeshUnderTest, startMesh, struckFirst } from './mesh-under-test.js';
import { judge } from './model.js';
import { observe, type Observed } from './observed.js';
import { type Attended, labelsOf, Traffic } from './traffic.js';

const { COGMESH_CHAOS_SEED, COGMESH_CHAOS_SECONDS = '60' } = processEnvironment();
const seed = COGMESH_CHAOS_SEED ?? String(Date.now() % 1_000_000);
const seconds = Number(COGMESH_CHAOS_SECONDS);

/** Of one organisation, at once. */
const OPEN_RUNS = 8;
/** After the last fault everything must be ready, and then every run over. */
const READY_WITHIN_MS = 90_000;
const SETTLED_WITHIN_MS = 120_000;
const LEFT_WITHIN_MS = 30_000;
const OBSERVED_AT_ONCE = 8;
const START_MS = 180_000;
/** Far below what two slow cores do, shared with others: this only keeps the test from passing by doing nothing. */
const SUCCESSES_PER_SECOND = 0.5;
const SECONDS_PER_FAULT = 12;
/** Enough to meet everything that is struck first. */
const SECONDS_FOR_ALL = 60;

const journal = new Journal();
const observed = new Map<string, Observed>();
const account: Account = { succeeded: 0, repeated: 0 };
let world: World;
let mesh: MeshUnderTest | undefined;
let faults: Faults;
let attended: readonly Attended[] = [];
let isWhole = false;

beforeAll(
  async () => {
    process.stdout.write(`chaos: seed ${seed}, ${seconds} s\n`);
    world = await createChaosWorld();
    mesh = await startMesh(world, journal);
    attended = await rage(mesh);
    await settle(mesh);
    await judgeAll(mesh);
    isWhole = true;
  },
  START_MS + seconds * 1_000 + READY_WITHIN_MS + SETTLED_WITHIN_MS + 240_000,
);

afterAll(async () => {
  const evidence =
    isWhole && journal.complaints.length === 0 ? undefined : await keepEvidence({ world, mesh, journal, observed });
  faults?.thaw();
  await mesh?.stop();
  await world.remove();
  if (evidence === undefined) return;
  const again = `COGMESH_CHAOS_SEED=${seed} COGMESH_CHAOS_SECONDS=${seconds} npx vitest run --config vitest.e2e.config.ts e2e/chaos`;
  process.stdout.write(`${lastLines(journal)}\n\nchaos: logs and histories are in ${evidence}\nagain: ${again}\n`);
}, 120_000);

/** Traffic and faults together, then the end of what is under way. */
async function rage({ clients, victims, whenReady }: MeshUnderTest): Promise<readonly Attended[]> {
  const giveUp = new AbortController();
  const end = Date.now() + seconds * 1_000;
  faults = new Faults(victims, new Chance(seed, 'faults'), journal);
  const traffic = [...clients].map(
    ([organisation, client]) =>
      new Traffic({ organisation, client, seed, journal, openRuns: OPEN_RUNS, giveUp: giveUp.signal }),
  );
  const flowing = Promise.all(traffic.map((each) => each.flow(end)));
  // Asked for below, and not before.
  flowing.catch(() => {});
  try {
    await faults.rage(end);
    journal.note('no more faults');
    await whenReady(READY_WITHIN_MS);
    journal.note('everything is ready');
    const timer = setTimeout(() => giveUp.abort(), SETTLED_WITHIN_MS);
    await flowing.finally(() => clearTimeout(timer));
  } finally {
    giveUp.abort();
  }
  journal.note('every run was followed to its end');
  return traffic.flatMap((each) => each.attended);
}

/** Nothing is left in anybody's hand. */
async function settle({ administrator }: MeshUnderTest): Promise<void> {
  for (const organisation of organisations) {
    const { scheduling } = administrator(organisation);
    const isIdle = async () =>
      (await scheduling.limits()).every(({ usage }) => !usage || usage.inFlight + usage.queued === 0);
    await until('nothing is in flight', isIdle, { timeoutMs: LEFT_WITHIN_MS, everyMs: 250 }).catch(async () => {
      journal.complain('left over', organisation, `it still counts ${JSON.stringify(await scheduling.limits())}`);
    });
  }
  for (const letter of await administrator('acme').scheduling.deadLetters()) {
    journal.complain('left over', letter.id, `a dead letter of ${letter.queue}: ${letter.reason}`);
  }
  for (const { process, text } of await confessions(join(world.directory.path, 'logs'))) {
    journal.complain('broken', process, text);
  }
}

async function judgeAll({ clients, crew }: MeshUnderTest): Promise<void> {
  const left = attended.filter(({ isOver }) => isOver);
  const observer = async () => {
    for (let each = left.shift(); each; each = left.shift()) await observeOne(each);
  };
  await Promise.all(Array.from({ length: OBSERVED_AT_ONCE }, observer));
  const ledger = byRun(await crew.ledger());
  for (const each of attended) judgeOne(each, ledger);
  if (attended.every(({ run }) => run && observed.has(run.id))) judgeStrangers(ledger);
  for (const [organisation, client] of clients) await judgeList(organisation, client);
  const done = `${attended.length} runs, ${account.succeeded} pieces of work succeeded, ${account.repeated} calls were repeated`;
  journal.note(done);
  process.stdout.write(`chaos: ${faults.count} faults, ${done}\n`);
}

/** Only when all are known: a run that is stuck has nested ones that were not looked at. */
function judgeStrangers(ledger: Ledger): void {
  const known = new Set([...observed.values()].flatMap(familyOf).map(({ view }) => view.id));
  for (const run of ledger.keys()) {
    if (!known.has(run)) journal.complain('ledger', run, 'agents worked on a run that nobody submitted');
  }
}

function judgeOne({ run, program, history, cancel }: Attended, ledger: Ledger): void {
  const found = observed.get(run?.id ?? '');
  if (!run || !found) return;
  const complain = (fault: Fault, text: string) => journal.complain(fault, run.id, text);
  judge(program, found, { mayBeCut: cancel !== 'no' || program.document.deadlineMs !== undefined, complain });
  judgeHistory(program, found, complain);
  judgeLedger(program, found, { ledger, account, complain });
  if (history) judgeFollowed(history.events, found, complain);
  const { state } = found.view;
  if (cancel === 'granted' && state !== 'CANCELLED') complain('outcome', `it was cancelled and is ${state}`);
}

/** One run for each key, and no other. */
async function judgeList(organisation: Organisation, client: CogmeshClient): Promise<void> {
  const mine = new Set(attended.filter((each) => each.organisation === organisation).map(({ run }) => run?.id));
  const listed: RunView[] = [];
  for await (const page of client.listRuns({ labels: labelsOf(seed), pageSize: 500 })) listed.push(...page);
  for (const { id } of listed) if (!mine.has(id)) journal.complain('doubled', id, 'no key of ours made it');
  for (const id of mine) {
    if (id && !listed.some((run) => run.id === id)) journal.complain('lost', id, 'it is not in the list of runs');
  }
}

async function observeOne({ run, organisation }: Attended): Promise<void> {
  const client = mesh?.clients.get(organisation);
  if (!run || !client) return;
  try {
    observed.set(run.id, await observe(client, run.id));
  } catch (thrown) {
    journal.complain('lost', run.id, `it cannot be read: ${String(thrown)}`);
  }
}

describe(`${seconds} s of faults, seed ${seed}`, () => {
  it('struck often, in both ways, and broker, database, schedulers, workers and agents among others', () => {
    const { kill, stop, freeze } = faults.tally;
    expect(kill.size).toBeGreaterThan(0);
    expect(freeze.size).toBeGreaterThan(0);
    expect(faults.count).toBeGreaterThanOrEqual(Math.floor(seconds / SECONDS_PER_FAULT));
    if (seconds < SECONDS_FOR_ALL) return;
    const first = mesh?.victims.map(({ name }) => name).filter((name) => struckFirst.test(name));
    expect([...kill.keys(), ...stop.keys(), ...freeze.keys()]).toEqual(expect.arrayContaining(first ?? []));
  });

  it('did not keep anybody from working', () => {
    const succeeded = attended.filter(({ run }) => run?.state === 'SUCCEEDED');
    expect(account.succeeded).toBeGreaterThanOrEqual(seconds * SUCCESSES_PER_SECOND);
    expect(new Set(succeeded.map(({ organisation }) => organisation))).toEqual(new Set(organisations));
  });

  it('lost no run that was accepted', () => expect(journal.of('lost')).toEqual([]));
  it('left no run or task stuck', () => expect(journal.of('stuck')).toEqual([]));
  it('doubled nothing', () => expect(journal.of('doubled')).toEqual([]));
  it('left histories without gaps, in which an end is an end', () => expect(journal.of('history')).toEqual([]));
  it('left every run, task and output as the model says', () => expect(journal.of('outcome')).toEqual([]));
  it('agrees with what the agents wrote down', () => expect(journal.of('ledger')).toEqual([]));
  it('left nothing in flight, and no dead letter', () => expect(journal.of('left over')).toEqual([]));

  it('broke no process that was not struck, and gave the sweeper nothing to mend', () => {
    expect(journal.of('broken')).toEqual([]);
  });

  it('made agents repeat no more than what they had in hand when something was struck', () => {
    expect(account.repeated).toBeLessThanOrEqual(faults.count * crewConcurrency);
  });
});
