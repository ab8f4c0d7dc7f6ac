import { expect, it } from 'vitest';
import { parsePolicySet } from '../parse-policy-set.js';
import { parseResourcePath } from '../resource-path.js';
import type { OrganisationPolicies } from '../types.js';
import { CandidateEngine, verdictOn, type RecordedDecision } from './simulate.js';

const live = new Map<string, OrganisationPolicies>();
const put = (organisation: string, epoch: number, policies: object[]) =>
  live.set(organisation, { organisation, epoch, document: parsePolicySet(policies), grants: [] });
const candidateOf = (policies: object[]) => {
  const expiresAtMs = Number.MAX_SAFE_INTEGER;
  const grant = { id: 'g', grantor: 'acme', grantee: 'globex', actions: ['infer'], resources: ['/**'], expiresAtMs };
  const candidate = { organisation: 'acme', epoch: 9, document: parsePolicySet(policies), grants: [grant] };
  return new CandidateEngine(candidate, (organisation) => live.get(organisation));
};

function recorded(fields: object = {}, organisation = 'acme'): RecordedDecision {
  const subject = { issuer: 'i', sub: 'ada', organisation, roles: ['a'], attributes: { team: '***' } };
  const request = { subject, action: 'read', resource: parseResourcePath('/runs/1'), nowMs: 0 };
  const masked = { attributes: ['team'], context: [], resourceAttributes: ['*'] };
  const answer = { id: 'd1', allowed: true, code: 'allowed', reason: '', count: 1, atMs: 0, masked } as const;
  return { request, ...answer, ...fields };
}

const nothing = { attributes: [], context: [], resourceAttributes: [] };
const reads = (policy?: string) => ({
  id: 'r',
  permissions: ['read', 'infer'],
  resources: ['/**'],
  ...(policy && { policy }),
});

it('tells what stays and what flips', () => {
  expect(verdictOn(candidateOf([reads()]), recorded())).toBe('unchanged');
  expect(verdictOn(candidateOf([]), recorded())).toMatchObject({
    recorded: { id: 'd1' },
    candidate: { allowed: false, code: 'no_matching_allow' },
  });
});

it('does not guess what a masked value was', () => {
  expect(verdictOn(candidateOf([reads("attributes.team == 'x'")]), recorded())).toBe('undecidable');
  expect(verdictOn(candidateOf([reads("attributes.team == 'x'")]), recorded({ masked: nothing }))).toMatchObject({
    candidate: { allowed: false },
  });
  expect(verdictOn(candidateOf([reads("attributes.other == 'x'")]), recorded())).toMatchObject({
    candidate: { allowed: false },
  });
});

it('knows that a record may not even name what was looked at', () => {
  const readsTier = candidateOf([reads('has(resource.attributes.tier)')]);
  expect(verdictOn(readsTier, recorded())).toBe('undecidable');
  expect(verdictOn(readsTier, recorded({ masked: nothing }))).toMatchObject({ candidate: { allowed: false } });
});

it('follows the live sets of the others', () => {
  const engine = candidateOf([reads("org_id == 'globex'")]);
  const resource = parseResourcePath('/models/acme/x');
  const asked = recorded({ request: { ...recorded({}, 'globex').request, action: 'infer', resource } });
  expect(verdictOn(engine, asked)).toMatchObject({ candidate: { code: 'unknown_organisation' } });
  put('globex', 3, [reads()]);
  expect(verdictOn(engine, asked)).toBe('unchanged');
  put('globex', 2, []);
  expect(verdictOn(engine, asked)).toMatchObject({ candidate: { code: 'no_matching_allow' } });
  live.delete('globex');
  expect(verdictOn(engine, asked)).toMatchObject({ candidate: { code: 'unknown_organisation' } });
});
