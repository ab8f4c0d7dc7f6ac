import { create } from '@bufbuild/protobuf';
import { policyV1 } from '@cogmesh/contracts';
import { expect, it } from 'vitest';
import { Obligations } from './obligations.js';

const right = { action: 'infer', resource: '/tools/acme/deploy' };
const lines: unknown[] = [];
const obligations = new Obligations({ info: (line: unknown) => void lines.push(line) });
const answer = (allowed: boolean, ...duties: { id: string; type?: string }[]) =>
  create(policyV1.DecideResponseSchema, { allowed, code: 'allowed', decisionId: 'd1', obligations: duties });

it('meets what it knows, by type or, without one, by id', () => {
  expect(obligations.met(answer(true, { id: 'log' }, { id: 'twice', type: 'log' }), right).allowed).toBe(true);
  expect(lines).toMatchObject([{ decisionId: 'd1', obligation: 'log' }, { obligation: 'twice' }]);
});

it('refuses what it does not know, and then does nothing else either', () => {
  lines.length = 0;
  const met = obligations.met(answer(true, { id: 'log' }, { id: 'mark', type: 'watermark' }), right);
  expect(met).toMatchObject({ allowed: false, code: 'unknown_obligation' });
  expect(met.reason).toContain('watermark');
  expect(lines).toEqual([]);
});

it('leaves a refusal as it is', () => {
  const refused = answer(false, { id: 'mark', type: 'watermark' });
  expect(obligations.met(refused, right)).toBe(refused);
});

it('asks who can show a co-approval, and refuses without', () => {
  const asked = answer(true, { id: 'co-approval' });
  expect(obligations.met(asked, right)).toMatchObject({ allowed: false, code: 'unknown_obligation' });
  expect(obligations.met(asked, right, () => undefined).allowed).toBe(true);
  const met = obligations.met(asked, right, (_obligation, { resource }) => `${resource} needs it`);
  expect(met).toMatchObject({ allowed: false, code: 'co_approval_needed', reason: '/tools/acme/deploy needs it' });
});
