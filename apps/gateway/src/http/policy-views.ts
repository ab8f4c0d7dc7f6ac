/** JSON of policy versions, candidates and simulations. */
import { timestampDate, type Timestamp } from '@bufbuild/protobuf/wkt';
import type { policyVersionsV1 } from '@cogmesh/contracts';
import type { z } from 'zod';
import type { policySchemas } from '../openapi/policy-schemas.js';

type View<Name extends keyof typeof policySchemas> = z.input<(typeof policySchemas)[Name]>;

const timeView = (time: Timestamp | undefined): string | null =>
  time === undefined ? null : timestampDate(time).toISOString();

export function versionView(version: policyVersionsV1.PolicyVersion): View<'PolicyVersion'> {
  const { epoch, writtenBy, writtenAt, note, live, policies, grants } = version;
  return { epoch: Number(epoch), writtenBy, writtenAt: timeView(writtenAt), note, live, policies, grants };
}

export function candidateView(candidate: policyVersionsV1.Candidate): View<'PolicyCandidate'> {
  const { id, basedOnEpoch, writtenBy, writtenAt, note, compared, skipped, flips } = candidate;
  return {
    id,
    basedOnEpoch: Number(basedOnEpoch),
    writtenBy,
    writtenAt: timeView(writtenAt),
    note,
    compared: Number(compared),
    skipped: Number(skipped),
    flipsToDeny: Number(candidate.flipsToDeny),
    flipsToAllow: Number(candidate.flipsToAllow),
    flips: flips.map(flipView),
  };
}

export function simulationView(simulation: policyVersionsV1.SimulateResponse): View<'Simulation'> {
  const { replayed, unchanged, undecidable, flipsNotListed, flips, truncated } = simulation;
  return {
    replayed: Number(replayed),
    unchanged: Number(unchanged),
    undecidable: Number(undecidable),
    flipsToDeny: Number(simulation.flipsToDeny),
    flipsToAllow: Number(simulation.flipsToAllow),
    flips: flips.map(flipView),
    flipsNotListed: Number(flipsNotListed),
    truncated,
  };
}

function flipView(flip: policyVersionsV1.Flip): View<'PolicyFlip'> {
  const { callerOrganisation, subject, action, resource, owner, liveCode, candidateCode } = flip;
  const { liveReason, candidateReason, count, lastAt } = flip;
  return {
    organisation: callerOrganisation,
    subject,
    action,
    resource,
    owner,
    liveCode,
    candidateCode,
    liveReason,
    candidateReason,
    count: Number(count),
    lastAt: timeView(lastAt),
  };
}
