/** The decision log at an enforcement point, on a real disk: what is kept, what a crash leaves, what a full disk does. */
import { appendFile, mkdtemp, readdir, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CogmeshError } from '@cogmesh/errors';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openDecisionLog, type DecisionBatch, type LoggedDecision, type OpenedDecisionLog } from '../src/index.js';
import { codeOf, silent } from './world.js';

interface Logged {
  readonly at: number;
  readonly point: string;
  readonly subject: { readonly sub: string; readonly attributes: unknown };
  readonly context?: unknown;
  readonly decisions: readonly LoggedDecision[];
}

/** The policy service as an enforcement point sees it: what it took of which spool, once. */
class Taken {
  readonly records: Logged[] = [];
  readonly accepted = new Map<string, number>();
  readonly batches: DecisionBatch[] = [];
  isAway = false;
  /** It takes the batch, and the answer is lost. */
  losesAnswers = 0;

  readonly ship = async (batch: DecisionBatch): Promise<number> => {
    if (this.isAway) throw new CogmeshError('unavailable', 'away');
    const known = this.accepted.get(batch.spoolId) ?? 0;
    if (batch.after > known) throw new CogmeshError('conflict', 'out of order', { accepted: known });
    this.batches.push(batch);
    const fresh = batch.records.filter(({ sequence }) => sequence > known);
    this.records.push(...fresh.map(({ json }) => JSON.parse(json) as Logged));
    const reached = Math.max(known, batch.records.at(-1)!.sequence);
    this.accepted.set(batch.spoolId, reached);
    if (this.losesAnswers > 0) {
      this.losesAnswers -= 1;
      throw new CogmeshError('unavailable', 'the answer was lost');
    }
    return reached;
  };

  get codes(): string[] {
    return this.records.flatMap(({ decisions }) => decisions.map(({ code }) => code));
  }

  get reasons(): string[] {
    return this.records.flatMap(({ decisions }) => decisions.map(({ reason }) => reason));
  }
}

let dir: string;
let taken: Taken;
const opened: OpenedDecisionLog[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cogmesh-decision-log-'));
  taken = new Taken();
});
afterEach(async () => {
  for (const log of opened.splice(0)) await log.close();
  await rm(dir, { recursive: true, force: true });
});

const spoolDir = () => join(dir, 'decision-log');
const files = async () => (await readdir(spoolDir())).filter((file) => file.endsWith('.log')).sort();
const contents = async () =>
  (await Promise.all((await files()).map((file) => readFile(join(spoolDir(), file), 'utf8')))).join('');

async function open(environment: Record<string, string> = {}): Promise<OpenedDecisionLog> {
  const windows = { COGMESH_DECISION_LOG_WINDOW_MS: '10', COGMESH_DECISION_LOG_COUNT_MS: '10' };
  const settings = { COGMESH_DECISION_LOG_SHIP_MS: '10', ...windows, ...environment };
  const log = await openDecisionLog({ point: 'gateway', dir, environment: settings, logger: silent, ship: taken.ship });
  opened.push(log);
  return log;
}

const question = {
  subject: { issuer: 'i', sub: 'ann', organisation: 'acme', roles: ['viewer'], attributes: { team: 'a', level: 7 } },
};
const allowed = (reason = 'so', fields: Partial<LoggedDecision> = {}): LoggedDecision => ({
  action: 'read',
  resource: '/runs/1',
  owner: 'acme',
  allowed: true,
  code: 'allowed',
  reason,
  rules: ['r'],
  epoch: 1,
  ...fields,
});
const denied = (reason = 'no'): LoggedDecision => allowed(reason, { allowed: false, code: 'no_matching_allow' });
/** Machines may be busy. */
const until = (expected: () => unknown) => vi.waitFor(expected, { timeout: 10_000 });
const untilTaken = (count: number) => until(() => expect(taken.codes).toHaveLength(count));

describe('what must be kept', () => {
  it.each([
    ['a denial', denied()],
    ['a write', allowed('so', { action: 'cancel' })],
    ['an action nobody knows', allowed('so', { action: 'frobnicate' })],
    ["another organisation's resource", allowed('so', { owner: 'globex' })],
  ])('%s is on disk before the call goes on', async (_what, decision) => {
    taken.isAway = true;
    const log = await open();
    await log.record(question, [decision]);
    expect(await contents()).toContain(`"action":"${decision.action}"`);
  });

  it('a plain read does not wait, and comes all the same', async () => {
    const log = await open();
    expect(log.record(question, [allowed()])).toBeUndefined();
    expect(log.record(question, [])).toBeUndefined();
    await untilTaken(1);
    expect(taken.records[0]).toMatchObject({ point: 'gateway', subject: { sub: 'ann' } });
  });

  it('of a question with both only the refusal waits', async () => {
    const log = await open();
    const waiting = log.record(question, [allowed('yes'), denied('no')]);
    expect(waiting).toBeInstanceOf(Promise);
    await waiting;
    await untilTaken(2);
    expect(taken.reasons.sort()).toEqual(['no', 'yes']);
  });

  it('all that wait at one time wait for one write, and each is there', async () => {
    taken.isAway = true;
    const log = await open();
    await Promise.all(Array.from({ length: 500 }, (_, i) => log.record(question, [denied(`no ${i}`)])));
    const lines = (await contents()).trimEnd().split('\n');
    expect(lines).toHaveLength(500);
    expect(new Set(lines.map((line) => /"no (\d+)"/.exec(line)?.[1])).size).toBe(500);
    taken.isAway = false;
    await untilTaken(500);
    expect(taken.reasons).toEqual(Array.from({ length: 500 }, (_, i) => `no ${i}`));
  });
});

describe('inputs', () => {
  it('are masked, at any depth, but for names on the list', async () => {
    const log = await open({ COGMESH_DECISION_LOG_CLEAR: 'level,zone' });
    const context = { card: '4111', at: { zone: 'eu', street: 'x' }, list: ['secret'], __proto__: 1 };
    await log.record({ ...question, context }, [denied()]);
    await untilTaken(1);
    expect(taken.records[0]?.subject.attributes).toEqual({ team: '***', level: 7 });
    expect(taken.records[0]?.context).toEqual({ card: '***', at: { zone: 'eu', street: '***' }, list: '***' });
    expect(await contents()).not.toMatch(/4111|secret|street":"x/);
  });

  it('are cut where an entry would be too large', async () => {
    const log = await open();
    const context = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`${i}-${'n'.repeat(400)}`, i]));
    await log.record({ ...question, context }, [denied('r'.repeat(10_000))]);
    await untilTaken(1);
    expect(taken.records[0]?.context).toEqual({ '*': '***' });
    expect(taken.reasons[0]).toHaveLength(512);
  });
});

describe('equal cached reads', () => {
  it('are one entry with a count; others are entries of their own', async () => {
    const log = await open({ COGMESH_DECISION_LOG_WINDOW_MS: '60000', COGMESH_DECISION_LOG_COUNT_MS: '60000' });
    const read = log.record.bind(log) as (...asked: Parameters<typeof log.record>) => void;
    for (let i = 0; i < 1_000; i++) read(question, [allowed('cached', { cached: true })]);
    read(question, [allowed('cached', { cached: true, resource: '/runs/2' })]);
    const other = { subject: { ...question.subject, sub: 'bob' } };
    read(other, [allowed('cached', { cached: true })]);
    read(question, [allowed('fresh')]);
    await log.record(question, [denied()]);
    await untilTaken(2);
    expect(taken.reasons).toEqual(['no', 'fresh']);
    await opened.pop()?.close();
    const counts = taken.records.flatMap(({ subject, decisions }) =>
      decisions.map(({ code, reason, resource, count = 1 }) => [subject.sub, code, reason, resource, count]),
    );
    expect(counts).toEqual([
      ['ann', 'no_matching_allow', 'no', '/runs/1', 1],
      ['ann', 'allowed', 'fresh', '/runs/1', 1],
      ['ann', 'allowed', 'cached', '/runs/1', 1_000],
      ['ann', 'allowed', 'cached', '/runs/2', 1],
      ['bob', 'allowed', 'cached', '/runs/1', 1],
    ]);
  });
});

describe('reads that are said to be many alike', () => {
  it('are one entry with a count, although none came from a cache', async () => {
    const log = await open({ COGMESH_DECISION_LOG_WINDOW_MS: '60000' });
    for (let i = 0; i < 3; i++) void log.record(question, [allowed('fresh')], { alike: true });
    await log.record(question, [denied()]);
    await untilTaken(2);
    const counts = taken.records.flatMap(({ decisions }) => decisions.map(({ reason, count = 1 }) => [reason, count]));
    expect(counts).toEqual([
      ['no', 1],
      ['fresh', 3],
    ]);
  });
});

describe('after a crash', () => {
  /** As a process that was killed leaves it: nothing closed, nothing shipped. */
  async function crashed(count: number): Promise<string> {
    taken.isAway = true;
    const log = await open();
    for (let i = 1; i <= count; i++) await log.record(question, [denied(`${i}`)]);
    const [file = ''] = await files();
    const bytes = await readFile(join(spoolDir(), file));
    await log.close();
    opened.splice(0);
    await writeFile(join(spoolDir(), file), bytes);
    taken.isAway = false;
    return join(spoolDir(), file);
  }

  it('what was written is shipped first, under its own name', async () => {
    await crashed(3);
    const log = await open();
    await log.record(question, [denied('4')]);
    await untilTaken(4);
    expect(taken.reasons).toEqual(['1', '2', '3', '4']);
    expect(taken.accepted.size).toBe(2);
    await log.close();
    expect(await files()).toEqual([]);
  });

  it('a line that was cut off is left out, and nothing else', async () => {
    const file = await crashed(3);
    await truncate(file, (await readFile(file)).length - 7);
    await open();
    await untilTaken(2);
    expect(taken.reasons).toEqual(['1', '2']);
    await until(async () => expect(await files()).toHaveLength(1));
  });

  it.each([
    ['a changed character', (text: string) => text.replace('"reason":"2"', '"reason":"x"')],
    ['zeroes', (text: string) => text.replace(/^.*"reason":"2".*$/m, (line) => '\0'.repeat(line.length))],
    ['another sequence', (text: string) => text.replace(/^([0-9a-f]{8}) 2 /m, '$1 9 ')],
    ['an empty line', (text: string) => text.replace(/^.*"reason":"2".*$/m, '')],
  ])('a line damaged by %s costs itself alone', async (_what, damage) => {
    const file = await crashed(3);
    await writeFile(file, damage(await readFile(file, 'utf8')));
    await open();
    await untilTaken(2);
    expect(taken.reasons).toEqual(['1', '3']);
  });

  it('files of nobody are left alone, and an empty one goes', async () => {
    await crashed(1);
    await writeFile(join(spoolDir(), 'notes.log'), 'x');
    await writeFile(join(spoolDir(), `${'0'.repeat(32)}-${'1'.padStart(16, '0')}.log`), '');
    await open();
    await untilTaken(1);
    await until(async () => expect((await files()).filter((file) => file.startsWith('0000'))).toEqual([]));
    expect(await readdir(spoolDir())).toContain('notes.log');
  });

  it('of the service that had confirmed more than it has, everything that is still here is sent again', async () => {
    const log = await open();
    await log.record(question, [denied('1')]);
    await untilTaken(1);
    taken.accepted.clear();
    taken.records.length = 0;
    await log.record(question, [denied('2')]);
    await untilTaken(2);
    expect(taken.reasons).toEqual(['1', '2']);
  });
});

describe('while the policy service is away', () => {
  it('everything waits on disk, in order, and comes once although answers are lost', async () => {
    taken.isAway = true;
    const log = await open({ COGMESH_DECISION_LOG_BYTES: '1000000' });
    const waves = Array.from({ length: 8 }, (_, wave) => Array.from({ length: 50 }, (_, i) => `${wave * 50 + i}`));
    for (const wave of waves) await Promise.all(wave.map((reason) => log.record(question, [denied(reason)])));
    expect((await files()).length).toBeGreaterThan(1);
    taken.losesAnswers = 2;
    taken.isAway = false;
    await untilTaken(400);
    expect(taken.reasons).toEqual(Array.from({ length: 400 }, (_, i) => `${i}`));
    await log.close();
    expect(await files()).toEqual([]);
  });
});

describe('a spool without room', () => {
  const small = { COGMESH_DECISION_LOG_BYTES: '65536', COGMESH_DECISION_LOG_WAIT_MS: '50' };
  const long = 'r'.repeat(500);

  async function fill(log: OpenedDecisionLog): Promise<number> {
    for (let kept = 0; ; kept++)
      if ((await codeOf(() => log.record(question, [denied(long)]))) !== 'accepted') return kept;
  }

  it('refuses calls that must be logged, loses none that went on, and goes on when there is room', async () => {
    taken.isAway = true;
    const log = await open(small);
    const kept = await fill(log);
    expect(kept).toBeGreaterThan(50);
    expect(await codeOf(() => log.record(question, [denied()]))).toBe('unavailable');
    taken.isAway = false;
    await untilTaken(kept);
    await log.record(question, [denied()]);
    await untilTaken(kept + 1);
  });

  it('lets such a call wait for room', async () => {
    taken.isAway = true;
    const log = await open({ ...small, COGMESH_DECISION_LOG_WAIT_MS: '0' });
    await fill(log);
    await log.close();
    taken.isAway = true;
    const patient = await open({ ...small, COGMESH_DECISION_LOG_WAIT_MS: '60000' });
    const waiting = patient.record(question, [denied(`${long}!`)]);
    taken.isAway = false;
    await waiting;
  });

  it('counts allowed reads instead of listing them, says how many, and never makes them wait', async () => {
    taken.isAway = true;
    const log = await open(small);
    await fill(log);
    for (let i = 0; i < 7; i++) expect(log.record(question, [allowed()])).toBeUndefined();
    await until(() => expect(log.dropped()).toBe(7));
    taken.isAway = false;
    await until(async () => {
      await log.record(question, [denied()])?.catch(() => undefined);
      expect(taken.codes).toContain('not_listed');
    });
    const told = taken.records.flatMap(({ decisions }) => decisions).find(({ code }) => code === 'not_listed');
    expect(told).toMatchObject({ count: 7, owner: 'acme', allowed: true });
    expect(log.dropped()).toBe(7);
  });
});

describe('a disk that refuses', () => {
  it('refuses calls that must be logged, not others, and is used again when it is back', async () => {
    taken.isAway = true;
    const log = await open();
    await rename(spoolDir(), `${spoolDir()}-away`);
    await writeFile(spoolDir(), 'not a folder');
    expect(await codeOf(() => log.record(question, [denied()]))).toBe('unavailable');
    expect(log.record(question, [allowed()])).toBeUndefined();
    await until(() => expect(log.dropped()).toBe(1));
    await rm(spoolDir());
    await rename(`${spoolDir()}-away`, spoolDir());
    await log.record(question, [denied('back')]);
    taken.isAway = false;
    await until(() => expect(taken.reasons).toContain('back'));
  });

  it('a file whose end nobody knows is left at its last certain line', async () => {
    taken.isAway = true;
    const log = await open();
    await log.record(question, [denied('1')]);
    const [file = ''] = await files();
    await appendFile(join(spoolDir(), file), 'half a line of another process');
    taken.isAway = false;
    await untilTaken(1);
    await log.record(question, [denied('2')]);
    await untilTaken(2);
    expect(taken.reasons).toEqual(['1', '2']);
  });

  it('stops the start where the folder cannot be made', async () => {
    await writeFile(spoolDir(), 'not a folder');
    await expect(open()).rejects.toThrow();
  });
});
