/** The face of PolicyVersionService: each organisation looks at and changes its own versions, with the right in the permit. */
import { timestampFromMs, timestampMs, type Timestamp } from '@bufbuild/protobuf/wkt';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { policyVersionsV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { implement, type CallContext, type ServiceBinding } from '@cogmesh/rpc';
import { assertNote, simulatedDefault, simulatedMax, versionPageDefault, versionPageMax } from '../versions/limits.js';
import type { PolicyVersions } from '../versions/policy-versions.js';
import type { StoredCandidate, StoredFlip, StoredVersion } from '../versions/version-store.js';
import { memberWith } from './policy.rpc.js';

export function versionsRpc(versions: PolicyVersions): ServiceBinding {
  return implement(policyVersionsV1.PolicyVersionService, {
    listVersions: (request, call) => listVersions(versions, request, call),
    getVersion: async ({ organisation, epoch }, call) => {
      memberWith(call, organisation, 'read');
      const version = await versions.version(organisation, Number(epoch));
      return { version: fromVersion(version), policySetJson: version.documentJson };
    },
    rollback: async ({ organisation, toEpoch, expectedEpoch }, call) => {
      const epochs = { toEpoch: Number(toEpoch), expectedEpoch: Number(expectedEpoch) };
      return { epoch: BigInt(await versions.rollback(writer(call, organisation), epochs)) };
    },
    putCandidate: async ({ organisation, policySetJson, note }, call) => {
      const by = writer(call, organisation);
      assertNote(note);
      return { candidate: fromCandidate(await versions.putCandidate(by, { json: policySetJson, note }), []) };
    },
    getCandidate: async ({ organisation }, call) => {
      memberWith(call, organisation, 'read');
      const { candidate, flips } = await versions.candidate(organisation);
      return { candidate: fromCandidate(candidate, flips), policySetJson: candidate.documentJson };
    },
    dropCandidate: async ({ organisation }, call) => {
      await versions.dropCandidate(writer(call, organisation).organisation);
      return {};
    },
    promoteCandidate: async ({ organisation, candidateId, expectedEpoch }, call) => {
      const wish = { candidateId, expectedEpoch: Number(expectedEpoch) };
      return { epoch: BigInt(await versions.promote(writer(call, organisation), wish)) };
    },
    simulate: (request, call) => simulate(versions, request, call),
  });
}

function writer(call: CallContext, organisation: string) {
  const { sub, issuer } = memberWith(call, organisation, 'write');
  return { organisation, writtenBy: `${sub} (${issuer})` };
}

async function listVersions(
  versions: PolicyVersions,
  { organisation, limit, before }: policyVersionsV1.ListVersionsRequest,
  call: CallContext,
) {
  memberWith(call, organisation, 'read');
  const size = limitOf(limit, { max: versionPageMax, otherwise: versionPageDefault });
  const found = await versions.list({ organisation, limit: size + 1, before: Number(before) });
  const page = found.slice(0, size);
  const last = found.length > size ? (page.at(-1)?.epoch ?? 0) : 0;
  return { versions: page.map(fromVersion), nextBefore: BigInt(last) };
}

async function simulate(
  versions: PolicyVersions,
  { organisation, policySetJson, from, to, limit }: policyVersionsV1.SimulateRequest,
  call: CallContext,
) {
  memberWith(call, organisation, 'read');
  const range = { organisation, fromMs: msOf(from), toMs: msOf(to) };
  const size = limitOf(limit, { max: simulatedMax, otherwise: simulatedDefault });
  const { flips, truncated, ...sums } = await versions.simulate(policySetJson, { ...range, limit: size });
  const { replayed, unchanged, undecidable, flipsToDeny, flipsToAllow, flipsNotListed } = sums;
  return {
    replayed: BigInt(replayed),
    unchanged: BigInt(unchanged),
    undecidable: BigInt(undecidable),
    flipsToDeny: BigInt(flipsToDeny),
    flipsToAllow: BigInt(flipsToAllow),
    flipsNotListed: BigInt(flipsNotListed),
    truncated,
    flips: flips.map(fromFlip),
  };
}

/** 0 stands for a time that was not named. */
const msOf = (time: Timestamp | undefined): number => (time === undefined ? 0 : timestampMs(time));

function limitOf(limit: number, { max, otherwise }: { readonly max: number; readonly otherwise: number }): number {
  if (limit >= 0 && limit <= max) return limit || otherwise;
  throw new CogmeshError('invalid_argument', `the limit is 1 to ${String(max)}`, { limit });
}

function fromVersion(version: StoredVersion): MessageInitShape<typeof policyVersionsV1.PolicyVersionSchema> {
  const { epoch, writtenBy, writtenAt, note, live, documentJson } = version;
  const { policies = [], grants = [] } = JSON.parse(documentJson) as { policies?: unknown[]; grants?: unknown[] };
  return {
    epoch: BigInt(epoch),
    writtenBy,
    writtenAt: timestampFromMs(writtenAt),
    note,
    live,
    policies: policies.length,
    grants: grants.length,
  };
}

function fromCandidate(
  { id, basedOnEpoch, writtenBy, writtenAt, note, tally }: StoredCandidate,
  flips: readonly StoredFlip[],
): MessageInitShape<typeof policyVersionsV1.CandidateSchema> {
  return {
    id,
    basedOnEpoch: BigInt(basedOnEpoch),
    writtenBy,
    writtenAt: timestampFromMs(writtenAt),
    note,
    compared: BigInt(tally.compared),
    skipped: BigInt(tally.skipped),
    flipsToDeny: BigInt(tally.flipsToDeny),
    flipsToAllow: BigInt(tally.flipsToAllow),
    flips: flips.map(fromFlip),
  };
}

function fromFlip({ count, lastAt, ...flip }: StoredFlip): MessageInitShape<typeof policyVersionsV1.FlipSchema> {
  const { key: _key, ...told } = flip;
  return { ...told, count: BigInt(count), lastAt: timestampFromMs(lastAt) };
}
