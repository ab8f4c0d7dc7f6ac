/**
 * Invariant 3 between memory and store: what the store says is held, ready, over or due, and memory knows nothing of. Every
 * question is answered by a partial index and bounded: attempts by what agents can hold, ready tasks by the first page of
 * each lane, since what is offered to nobody stays in front while the others go.
 */
import { isTerminalRun } from '../states.js';
import type { HeldAttempt } from './new-run.js';
import type { LaneName, Snapshot } from './ports.js';
import type { LaneSize } from './ready-heads.js';
import { readyEntry, taskKey, type ReadyEntry } from './rows.js';
import { isWorkedOn, type Suspicion, type SweepParts } from './sweep.js';

/** Lanes looked at by one look, and ready tasks of each. */
const [lanesPerLook, tasksPerLane] = [40, 200];
/** Ready tasks beyond which they are no longer counted: the lanes that memory knows have to do. */
const countedUpTo = 50_000;
/** Runs asked for whose time has come. */
const duePerLook = 200;
/** A time that passed so long ago should have been looked at, milliseconds. */
const overdueMs = 10_000;

export interface StoreLook {
  readonly suspicions: readonly Suspicion[];
  /** Where the next look goes on among the lanes. */
  readonly nextLane: number;
}

/** `fromLane`: of the lanes in the order of their names. Everything decided before is stored first. */
export async function suspectStored(parts: SweepParts, fromLane: number): Promise<StoreLook> {
  const { engine, store } = parts;
  const { generation } = engine;
  const shards = [...engine.owned.keys()];
  const before = new Map(parts.heads.names().map((lane) => [keyOf(lane), parts.heads.known(lane)]));
  await engine.stored();
  const isBrief = sizeOf([...before.values()]) > countedUpTo;
  const snapshot = await store.snapshot(shards, { brief: isBrief });
  if (generation !== engine.generation) return { suspicions: [], nextLane: fromLane };
  const suspicions = [
    ...suspectAttempts(parts, snapshot.held),
    ...suspectSteps(parts, snapshot),
    ...(isBrief ? [] : suspectSizes(parts, snapshot.lanes, before)),
  ];
  const due = await store.due(shards, engine.now() - overdueMs, duePerLook);
  if (generation !== engine.generation) return { suspicions: [], nextLane: fromLane };
  suspicions.push(...suspectDue(parts, due));
  const lanes = (isBrief ? parts.heads.names() : snapshot.lanes.map(nameOf)).sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1)); // prettier-ignore
  const first = fromLane < lanes.length ? fromLane : 0;
  for (const name of lanes.slice(first, first + lanesPerLook)) {
    const page = await store.ready(shards, { ...name, after: undefined, limit: tasksPerLane });
    if (generation !== engine.generation) return { suspicions: [], nextLane: fromLane };
    suspicions.push(...page.flatMap((entry) => suspectReady(parts, entry)));
  }
  return { suspicions, nextLane: first + lanesPerLook };
}

function suspectAttempts({ engine }: SweepParts, stored: readonly HeldAttempt[]): Suspicion[] {
  const known = new Set(stored.map(({ attemptId }) => attemptId));
  const unknown = stored
    .filter(({ attemptId }) => engine.attempt(attemptId) === undefined)
    .map(({ runId, attemptId, state }): Suspicion => {
      const says = `attempt ${attemptId} of ${runId} is ${state} in the store and unknown to memory`;
      return { kind: 'attempt', says, evidence: { attemptId, state } };
    });
  const unstored = [...engine.residents.all]
    .flatMap((run) => (run.isInFlight && engine.owns(run.row.shard) ? run.held() : []))
    .filter(({ attemptId }) => !known.has(attemptId ?? ''))
    .map(({ runId, attemptId, state }): Suspicion => {
      const says = `attempt ${attemptId} of ${runId} is ${state} in memory and unknown to the store`;
      return { kind: 'attempt', says, evidence: { attemptId, unstored: true } };
    });
  return [...unknown, ...unstored];
}

/** What a commit called for and memory neither does nor has done. */
function suspectSteps({ engine, controls }: SweepParts, snapshot: Snapshot): Suspicion[] {
  const { aggregate, finalise, answered, orphaned } = snapshot;
  const isDone = (runId: string): boolean => isTerminalRun(engine.residents.get(runId)?.row.state ?? 'PENDING');
  const joins = aggregate.flatMap((ref): Suspicion[] => {
    const isJoined = (engine.residents.get(ref.runId)?.task(ref.taskId)?.state ?? 'RUNNING') !== 'RUNNING';
    if (isJoined || controls.isJoining(ref)) return [];
    const says = `the items of ${ref.runId}/${ref.taskId} all ended and nobody joins them`;
    return [{ kind: 'step', says, evidence: { join: taskKey(ref) }, mend: () => controls.join(ref) }];
  });
  const step = (what: string, ids: readonly string[], isTaken: (id: string) => boolean, take: (id: string) => void) =>
    ids.flatMap((runId): Suspicion[] =>
      isTaken(runId)
        ? []
        : [{ kind: 'step', says: `run ${runId} ${what}`, evidence: { what, runId }, mend: () => take(runId) }],
    );
  return [
    ...joins,
    ...step('has no open task and nobody ends it', finalise, (id) => isDone(id) || controls.isFinishing(id), (id) => controls.finish(id)),
    ...step('has ended and its task waits', answered, (id) => controls.isAnswering(id), (id) => controls.answer(id)),
    ...step('goes on and no task waits for it', orphaned, (id) => isDone(id) || controls.isEndingOrphan(id), (id) => controls.endOrphan(id)),
  ]; // prettier-ignore
}

/**
 * A lane that has not changed is as long in the store as in memory. That of one which is not whole in memory is an estimate (a
 * run that was stored while memory was read may be counted twice) and put right without a word.
 */
function suspectSizes(
  { heads }: SweepParts,
  stored: Snapshot['lanes'],
  before: ReadonlyMap<string, LaneSize | undefined>,
): Suspicion[] {
  const ready = new Map(stored.map((lane) => [keyOf(lane), lane.ready]));
  const names = new Map([...heads.names(), ...stored].map((lane) => [keyOf(lane), nameOf(lane)]));
  return [...names].flatMap(([key, name]): Suspicion[] => {
    const [known, count] = [heads.known(name), ready.get(key) ?? 0];
    if (!known || known.size === count) return [];
    if (!known.isComplete) {
      const { made, changes } = before.get(key) ?? {};
      if (made === known.made && changes === known.changes) heads.recount(name, count);
      return [];
    }
    const says = `lane ${name.organisation} ${name.uses} has ${count} ready tasks, memory counts ${known.size}`;
    return [{ kind: 'count', says, evidence: { lane: key, count, ...known } }];
  });
}

function suspectDue({ engine, timers }: SweepParts, runIds: readonly string[]): Suspicion[] {
  // As many as were asked for: whoever looks at them is behind, and comes to these too.
  if (runIds.length === duePerLook) return [];
  const absent = runIds.filter((runId) => engine.residents.get(runId) === undefined);
  return absent.map((runId) => ({
    kind: 'timer',
    says: `run ${runId} is not in memory and nobody looks at its time`,
    evidence: { runId },
    mend: () => void timers.look([runId]).catch(() => undefined),
  }));
}

function suspectReady(parts: SweepParts, stored: ReadyEntry): Suspicion[] {
  const { engine, heads } = parts;
  const run = engine.residents.get(stored.runId);
  const task = run?.task(stored.taskId, stored.itemIndex);
  if (run && (task?.state !== 'READY' || run.row.state === 'PAUSED')) return [];
  const entry = task ? readyEntry(task) : stored;
  if (heads.isServed(entry, isWorkedOn(parts))) return [];
  const says = `${entry.key} is READY in the store and offered to nobody`;
  const { key, readyAtMs, rank } = entry;
  return [{ kind: 'place', says, evidence: { ready: key, readyAtMs, rank }, mend: () => heads.restore(entry) }];
}

const sizeOf = (lanes: readonly (LaneSize | undefined)[]): number =>
  lanes.reduce((sum, lane) => sum + (lane?.size ?? 0), 0);

const nameOf = ({ organisation, uses, affinity, concurrencyGroup, control }: LaneName): LaneName => ({
  organisation, uses, affinity, concurrencyGroup, control,
}); // prettier-ignore

const keyOf = (lane: LaneName): string => JSON.stringify(nameOf(lane));
