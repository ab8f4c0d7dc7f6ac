/**
 * The commands on versions and candidates. Each that puts a set in force goes through PutPolicies, so that there is one way
 * in which policies change: checked whole, the next epoch, told to everybody.
 */
import { CogmeshError } from '@cogmesh/errors';
import { parsePolicySetText } from '@cogmesh/policy-core';
import { ulid } from 'ulid';
import { checkDocument, checkPolicies, type GrantVerifier } from '../checked-policies.js';
import type { CheckedPolicies } from '../policy-store.js';
import type { PolicyBook } from '../policy-book.js';
import type { PutPolicies } from '../put-policies.js';
import type { ShadowBook } from './shadow-book.js';
import { simulatePolicies, type Simulation } from './simulate-policies.js';
import type { RecordedDecisions, RecordedRange } from './recorded-decisions.js';
import type { StoredCandidate, StoredFlip, StoredVersion, VersionStore } from './version-store.js';

export interface PolicyVersionsParts {
  readonly store: VersionStore;
  readonly book: PolicyBook;
  readonly shadow: ShadowBook;
  readonly putPolicies: PutPolicies;
  readonly verifier: GrantVerifier;
  readonly recorded: RecordedDecisions;
}

interface Writer {
  readonly organisation: string;
  readonly writtenBy: string;
}

export class PolicyVersions {
  readonly #parts: PolicyVersionsParts;

  constructor(parts: PolicyVersionsParts) {
    this.#parts = parts;
  }

  list(page: Parameters<VersionStore['versions']>[0]): Promise<StoredVersion[]> {
    return this.#parts.store.versions(page);
  }

  /** `not_found` for an epoch that never was. */
  async version(organisation: string, epoch: number): Promise<StoredVersion> {
    const version = await this.#parts.store.version(organisation, epoch);
    if (version !== undefined) return version;
    throw new CogmeshError('not_found', `${organisation} has no policies of epoch ${String(epoch)}`);
  }

  /**
   * The new epoch. The grants stay those of the live set: what was granted or withdrawn since is no part of a rollback, or
   * going back to an old rule would open the door to an old partner.
   */
  async rollback(
    { organisation, writtenBy }: Writer,
    { toEpoch, expectedEpoch }: { readonly toEpoch: number; readonly expectedEpoch: number },
  ): Promise<number> {
    const { book, putPolicies, verifier } = this.#parts;
    const { documentJson } = await this.version(organisation, toEpoch);
    await book.refresh();
    const live = book.current(organisation)?.epoch ?? 0;
    if (expectedEpoch !== 0 && expectedEpoch !== live)
      throw new CogmeshError(
        'conflict',
        `the policies of ${organisation} are at epoch ${String(live)}, not ${String(expectedEpoch)}; look at them again`,
        { epoch: live, expectedEpoch },
      );
    const grants = book.policiesOf(organisation)?.document.grants ?? [];
    const checked = await checkDocument(organisation, { ...parsePolicySetText(documentJson), grants }, verifier);
    const note = `rollback to epoch ${String(toEpoch)}`;
    // Between reading the grants and writing them back nobody else may write.
    return putPolicies.write(checked, { organisation, writtenBy, expectedEpoch: live, note });
  }

  async putCandidate(writer: Writer, { json, note }: { readonly json: string; readonly note: string }) {
    const { store, shadow, verifier } = this.#parts;
    const { document } = await checkPolicies(writer.organisation, json, verifier);
    const candidate = await store.putCandidate({ ...writer, id: ulid(), documentJson: JSON.stringify(document), note });
    await shadow.refresh();
    return candidate;
  }

  /** With everything that was counted until now. `not_found` when there is none. */
  async candidate(
    organisation: string,
  ): Promise<{ readonly candidate: StoredCandidate; readonly flips: readonly StoredFlip[] }> {
    const { store, shadow } = this.#parts;
    await shadow.flush();
    const candidate = await store.candidate(organisation);
    if (candidate === undefined) throw noCandidate(organisation);
    return { candidate, flips: await store.flips(candidate.id) };
  }

  async dropCandidate(organisation: string): Promise<void> {
    const { store, shadow } = this.#parts;
    if (!(await store.dropCandidate(organisation))) throw noCandidate(organisation);
    await shadow.refresh();
  }

  /** The new epoch. `conflict` when the candidate was replaced meanwhile. */
  async promote(
    writer: Writer,
    { candidateId, expectedEpoch }: { readonly candidateId: string; readonly expectedEpoch: number },
  ): Promise<number> {
    const { store, shadow, putPolicies } = this.#parts;
    const { organisation } = writer;
    const held = await store.candidate(organisation);
    if (held === undefined) throw noCandidate(organisation);
    if (held.id !== candidateId)
      throw new CogmeshError('conflict', `the candidate of ${organisation} is ${held.id} now, not ${candidateId}`);
    const note = held.note === '' ? `candidate ${held.id}` : held.note;
    const epoch = await putPolicies.execute({ ...writer, json: held.documentJson, expectedEpoch, note });
    await store.dropCandidate(organisation, candidateId);
    await shadow.refresh();
    return epoch;
  }

  /** `json` empty: the candidate, and `failed_precondition` without one. */
  async simulate(json: string, range: RecordedRange & { readonly limit: number }): Promise<Simulation> {
    const { recorded, book } = this.#parts;
    const checked = await this.#setUnderTest(range.organisation, json);
    return simulatePolicies({ recorded, liveOf: (name) => book.policiesOf(name) }, checked, range);
  }

  async #setUnderTest(organisation: string, json: string): Promise<CheckedPolicies> {
    const { store, verifier } = this.#parts;
    if (json !== '') return checkPolicies(organisation, json, verifier);
    const held = await store.candidate(organisation);
    if (held !== undefined) return checkPolicies(organisation, held.documentJson, verifier);
    throw new CogmeshError('failed_precondition', 'name a policy set to simulate: there is no candidate', {
      organisation,
    });
  }
}

function noCandidate(organisation: string): CogmeshError {
  return new CogmeshError('not_found', `${organisation} has no candidate; put one first`);
}
