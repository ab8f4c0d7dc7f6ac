import { stripVTControlCharacters } from 'node:util';
import { expect, it } from 'vitest';
import { auditTable, verificationText } from './audit-table.js';

const hash = 'c'.repeat(64);
const entry = {
  position: 7,
  hash,
  id: 's.1.0',
  at: '2026-11-24T06:00:00.000Z',
  point: 'gateway',
  subject: { issuer: 'i', sub: 'ann', organisation: 'globex', roles: [], attributes: {} },
  action: 'infer',
  resource: '/models/acme/x',
  owner: 'acme',
  context: {},
  allowed: true,
  code: 'allowed',
  reason: 'so',
  rules: ['a', 'b'],
  epoch: 1,
  grant: null,
  decisionId: 'd',
  cached: false,
  count: 3,
};

it('tells who asked what, the answer, and why', () => {
  const refused = {
    ...entry,
    position: 8,
    allowed: false,
    code: 'no_grant',
    reason: 'acme granted nothing',
    rules: [],
  };
  const lines = stripVTControlCharacters(auditTable([entry, refused])).split('\n');
  expect(lines[1]).toMatch(/^7 +2026.*allowed +ann \(globex\) +infer \/models\/acme\/x +acme +gateway +3 +a b$/);
  expect(lines[2]).toMatch(/^8 .*no_grant .*acme granted nothing$/);
});

it('says what to keep, or the place that is wrong', () => {
  const right = { verified: 4, position: 7, hash, firstPosition: 4, problem: null };
  const text = (of: Parameters<typeof verificationText>[0]) => stripVTControlCharacters(verificationText(of));
  expect(text(right)).toContain('4 entries, from 4 on');
  expect(text(right)).toContain(`keep 7:${hash}`);
  expect(text({ ...right, verified: 0, position: 0, hash: '', firstPosition: 1 })).toContain('empty');
  expect(text({ ...right, problem: { position: 8, problem: 'changed' } })).toBe(
    'wrong  entry 8: changed; the 4 entries before it are right',
  );
});
