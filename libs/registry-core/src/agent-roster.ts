/**
 * Who is connected, who is alive, and how loaded each one is. The roster holds every agent of the last hour in memory;
 * each change of state or capabilities is told to `onChange`, each change of any field marks the record dirty until
 * `takeDirty` hands it to whoever stores it.
 *
 * An agent is LOST when its heartbeats stop for `heartbeatMs * missedLimit`, or its stream breaks and it does not come back
 * within `reconnectGraceMs`; after a restart of the registry everybody gets `restartGraceMs` to come back first. Liveness uses
 * the monotonic clock: a jump of the wall clock loses nobody. The roster opens no connection and sets no timer: `tick` is
 * called by its owner.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { AgentKind, AgentRecord, AgentState, Capability, Clock, Portrait } from './agent.js';
import { isPresent, nextState, type LifeEvent } from './life-cycle.js';
import { PortraitHistory } from './portrait-history.js';

export interface RosterOptions {
  readonly clock: Clock;
  /** Time an agent leaves between heartbeats, milliseconds. Default 2,000. */
  readonly heartbeatMs?: number;
  /** Heartbeats that may be missing. Default 3. */
  readonly missedLimit?: number;
  /** Time to come back after the stream broke, milliseconds. Default 3,000. */
  readonly reconnectGraceMs?: number;
  /** Time everybody has to come back after the registry started, milliseconds. Default 15,000. */
  readonly restartGraceMs?: number;
  /** How long LOST and GONE agents are remembered, milliseconds. Default one hour. */
  readonly forgetAfterMs?: number;
  readonly onChange?: (change: AgentChange) => void;
}

export interface AgentChange {
  readonly agent: AgentRecord;
  /** Undefined for an agent that was not known before. */
  readonly before: AgentState | undefined;
}

export interface Introduction {
  readonly id: string;
  readonly name: string;
  readonly organisation: string;
  readonly kind: AgentKind;
  readonly identity: string;
  readonly capabilities: readonly Capability[];
  readonly labels: Readonly<Record<string, string>>;
  readonly address: string;
}

export interface SignOfLife {
  readonly portrait: Portrait | undefined;
  readonly capabilities: readonly Capability[];
  /** It takes nothing new any more. */
  readonly draining?: boolean;
}

interface Entry {
  record: AgentRecord;
  connected: boolean;
  /** Monotonic time by which a sign of life is due; only while it is present. */
  dueMs: number;
}

const hourMs = 3_600_000;

export class AgentRoster {
  readonly #entries = new Map<string, Entry>();
  readonly #dirty = new Set<string>();
  readonly #history = new PortraitHistory();
  readonly #options: Required<RosterOptions>;

  constructor(options: RosterOptions) {
    this.#options = {
      heartbeatMs: 2_000,
      missedLimit: 3,
      reconnectGraceMs: 3_000,
      restartGraceMs: 15_000,
      forgetAfterMs: hourMs,
      onChange: () => {},
      ...options,
    };
  }

  /** Puts back what an earlier process stored; nobody is declared lost before the restart grace ends. */
  restore(records: readonly AgentRecord[]): void {
    const dueMs = this.#options.clock.monotonicMs() + this.#options.restartGraceMs;
    for (const record of records) this.#entries.set(record.id, { record, connected: false, dueMs });
  }

  /**
   * A stream opened and was authenticated. Throws `permission_denied` when the id belongs to another identity, and
   * `failed_precondition` when its agent has said goodbye.
   */
  connect(introduction: Introduction): AgentRecord {
    const { clock } = this.#options;
    const existing = this.#entries.get(introduction.id)?.record;
    if (existing !== undefined && existing.identity !== introduction.identity) {
      throw new CogmeshError('permission_denied', `agent id ${introduction.id} belongs to another identity`);
    }
    if (existing?.state === 'GONE') {
      throw new CogmeshError('failed_precondition', `agent ${introduction.id} said goodbye; connect under a new id`);
    }
    const state = nextState(existing?.state ?? 'STARTING', {
      kind: 'connected',
      capabilities: introduction.capabilities,
    });
    const nowMs = clock.wallMs();
    const record: AgentRecord = {
      ...introduction,
      state,
      portrait: existing?.portrait,
      connectedAtMs: nowMs,
      lastHeartbeatAtMs: nowMs,
      changedAtMs: nowMs,
    };
    this.#entries.set(record.id, { record, connected: true, dueMs: this.#nextDueMs() });
    this.#changed(record, existing?.state);
    return record;
  }

  /** A heartbeat arrived; ignored for an agent that is not here. */
  heartbeat(id: string, sign: SignOfLife): void {
    const entry = this.#entries.get(id);
    if (entry === undefined || entry.record.state === 'GONE') return;
    entry.dueMs = this.#nextDueMs();
    if (sign.portrait) this.#history.add(id, sign.portrait);
    this.#move(
      entry,
      { kind: 'heartbeat', capabilities: sign.capabilities },
      {
        portrait: sign.portrait ?? entry.record.portrait,
        capabilities: sign.capabilities,
        lastHeartbeatAtMs: this.#options.clock.wallMs(),
      },
    );
    if (sign.draining) this.#move(entry, { kind: 'draining' });
  }

  /** The stream broke without a goodbye. */
  disconnect(id: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    entry.connected = false;
    entry.dueMs = Math.min(entry.dueMs, this.#options.clock.monotonicMs() + this.#options.reconnectGraceMs);
  }

  goodbye(id: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    entry.connected = false;
    this.#move(entry, { kind: 'goodbye' });
  }

  draining(id: string): void {
    const entry = this.#entries.get(id);
    if (entry !== undefined) this.#move(entry, { kind: 'draining' });
  }

  /** Declares overdue agents LOST and forgets the long gone. Answers the ids of both. */
  tick(): { readonly lost: readonly string[]; readonly forgotten: readonly string[] } {
    const { clock, forgetAfterMs } = this.#options;
    const lost: string[] = [];
    const forgotten: string[] = [];
    for (const [id, entry] of this.#entries) {
      if (isPresent(entry.record.state)) {
        if (clock.monotonicMs() < entry.dueMs) continue;
        this.#move(entry, { kind: 'lost' });
        lost.push(id);
      } else if (!entry.connected && clock.wallMs() - entry.record.changedAtMs > forgetAfterMs) {
        this.#forget(id);
        forgotten.push(id);
      }
    }
    return { lost, forgotten };
  }

  get(id: string): AgentRecord | undefined {
    return this.#entries.get(id)?.record;
  }

  list(options: { readonly includeGone?: boolean; readonly organisation?: string } = {}): readonly AgentRecord[] {
    const { includeGone = false, organisation } = options;
    return [...this.#entries.values()]
      .map((entry) => entry.record)
      .filter((record) => includeGone || isPresent(record.state))
      .filter((record) => organisation === undefined || record.organisation === organisation);
  }

  /** Portraits of the last minutes, oldest first. */
  portraits(id: string): readonly Portrait[] {
    return this.#history.of(id);
  }

  /** Records that changed since the last call. */
  takeDirty(): readonly AgentRecord[] {
    const records = [...this.#dirty].flatMap((id) => this.get(id) ?? []);
    this.#dirty.clear();
    return records;
  }

  /** Gives records back that could not be stored. */
  markDirty(ids: readonly string[]): void {
    for (const id of ids) this.#dirty.add(id);
  }

  #nextDueMs(): number {
    const { clock, heartbeatMs, missedLimit } = this.#options;
    return clock.monotonicMs() + heartbeatMs * missedLimit;
  }

  #move(entry: Entry, event: LifeEvent, fields: Partial<AgentRecord> = {}): void {
    const { record: old } = entry;
    const state = nextState(old.state, event);
    const changedAtMs = state === old.state ? old.changedAtMs : this.#options.clock.wallMs();
    entry.record = { ...old, ...fields, state, changedAtMs };
    this.#dirty.add(old.id);
    if (state !== old.state || !sameCapabilities(old.capabilities, entry.record.capabilities)) {
      this.#changed(entry.record, old.state);
    }
  }

  #changed(agent: AgentRecord, before: AgentState | undefined): void {
    this.#dirty.add(agent.id);
    this.#options.onChange({ agent, before });
  }

  #forget(id: string): void {
    this.#entries.delete(id);
    this.#dirty.delete(id);
    this.#history.forget(id);
  }
}

function sameCapabilities(left: readonly Capability[], right: readonly Capability[]): boolean {
  return (
    left.length === right.length &&
    left.every((capability, index) => {
      const other = right[index];
      return (
        other?.name === capability.name &&
        other.credits === capability.credits &&
        other.ready === capability.ready &&
        other.inputSchemaSha256 === capability.inputSchemaSha256
      );
    })
  );
}
