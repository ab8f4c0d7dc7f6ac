/**
 * Decides about another organisation's resource: a grant of the owner, the owner's policies and those of the caller's own
 * organisation must agree. A grant's ceiling is an intersection: the owner must allow the request as it is, and as it would
 * be with nothing but the roles and attributes that the grant names, so that leaving something out never opens.
 */
import { findingBy, readsOf, refusal, type Case } from './case.js';
import type { Finding } from './finding.js';
import type { GrantAnswer } from './grants.js';
import type { AccessSubject, Decision, PartnerGrant } from './types.js';

type Settled = Pick<Decision, 'epoch' | 'cacheable' | 'reads' | 'validUntilMs'>;

export function decideAcross(opened: Case): Decision {
  const { owner, caller, request, place, roles } = opened;
  const answer = owner.organisation.grants.find({
    grantee: caller.organisation.name,
    action: request.action,
    segments: place.segments,
    roles,
    nowMs: request.nowMs,
  });
  const settled: Settled = {
    epoch: owner.organisation.epoch,
    cacheable: false,
    reads: readsOf(opened),
    ...(answer.changesAtMs === undefined ? {} : { validUntilMs: answer.changesAtMs }),
  };
  const [first] = answer.granted;
  if (first === undefined) return { ...notGranted(opened, answer), ...settled };
  return { ...decideUnder(opened, [first, ...answer.granted.slice(1)]), ...settled };
}

function notGranted({ owner, caller, request, place }: Case, { expired }: GrantAnswer): Decision {
  const wish = `${request.action} on ${place.path}`;
  if (expired !== undefined) return refusal('grant_expired', `grant "${expired.id}" for ${wish} has expired`, 0);
  const reason = `${owner.organisation.name} granted ${caller.organisation.name} no ${wish}`;
  return refusal('no_grant', reason, 0);
}

function decideUnder(opened: Case, grants: readonly [PartnerGrant, ...PartnerGrant[]]): Finding & { grantId: string } {
  const ofOwner = findingBy(opened.owner, opened);
  if (!ofOwner.allowed) return { ...ofOwner, grantId: grants[0].id };
  const { grant, finding } = underCeiling(opened, ofOwner, grants);
  if (!finding.allowed) return { ...finding, grantId: grant.id };
  const ofCaller = findingBy(opened.caller, opened);
  if (!ofCaller.allowed) return { ...ofCaller, grantId: grant.id };
  return {
    allowed: true,
    code: 'allowed',
    reason: `${finding.reason}; ${ofCaller.reason}; grant "${grant.id}"`,
    rules: [...finding.rules, ...ofCaller.rules],
    obligations: [...finding.obligations, ...ofCaller.obligations],
    grantId: grant.id,
  };
}

/** The first grant within whose ceiling the owner still allows; else the first grant and its refusal. */
function underCeiling(
  opened: Case,
  ofOwner: Finding,
  grants: readonly [PartnerGrant, ...PartnerGrant[]],
): { grant: PartnerGrant; finding: Finding } {
  const tried = grants.map((grant) => ({ grant, finding: within(opened, ofOwner, grant) }));
  const [first = { grant: grants[0], finding: ofOwner }] = tried;
  return tried.find(({ finding }) => finding.allowed) ?? first;
}

function within(opened: Case, ofOwner: Finding, grant: PartnerGrant): Finding {
  if (grant.roles === undefined && grant.attributes === undefined) return ofOwner;
  const cut = findingBy(opened.owner, cutTo(grant, opened));
  if (!cut.allowed) return { ...cut, reason: `${cut.reason} within the ceiling of grant "${grant.id}"` };
  return {
    ...ofOwner,
    rules: [...new Set([...ofOwner.rules, ...cut.rules])],
    obligations: [...new Set([...ofOwner.obligations, ...cut.obligations])],
  };
}

function cutTo({ roles, attributes }: PartnerGrant, opened: Case): Case {
  const { subject } = opened.request;
  const allowed = roles === undefined ? opened.roles : opened.roles.filter((role) => roles.includes(role));
  const seen = attributes === undefined ? subject.attributes : chosen(subject.attributes, attributes);
  return { ...opened, roles: allowed, request: { ...opened.request, subject: { ...subject, attributes: seen } } };
}

function chosen(attributes: AccessSubject['attributes'], names: readonly string[]): AccessSubject['attributes'] {
  return Object.fromEntries(Object.entries(attributes).filter(([name]) => names.includes(name)));
}
