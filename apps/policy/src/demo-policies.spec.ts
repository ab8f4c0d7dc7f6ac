import { readFileSync } from 'node:fs';
import { DecisionEngine, parsePolicySetText, parseResourcePath, type AccessRequest } from '@cogmesh/policy-core';
import { describe, expect, it } from 'vitest';

const read = (organisation: string) =>
  parsePolicySetText(
    readFileSync(new URL(`../../../deploy/demo/policies/${organisation}.json`, import.meta.url), 'utf8'),
  );

/** As the demo signs it at set-up. */
const grant = {
  id: 'grant-acme-globex-ocr',
  grantor: 'acme',
  grantee: 'globex',
  actions: ['infer', 'read', 'list'],
  resources: ['/models/acme/*'],
  expiresAtMs: 1_000,
};

const engine = new DecisionEngine();
engine.replace({ organisation: 'acme', epoch: 1, document: read('acme'), grants: [grant] });
engine.replace({ organisation: 'globex', epoch: 1, document: read('globex'), grants: [] });

function ask(who: string, action: string, path: string, nowMs = 0): AccessRequest {
  const [organisation = '', role = ''] = who.split(' ');
  const subject = { issuer: `https://${organisation}`, sub: who, organisation, roles: [role], attributes: {} };
  return { subject, action, resource: parseResourcePath(path), nowMs };
}

describe("the demo's policies", () => {
  it.each([
    ['globex reader', 'create', '/runs'],
    ['globex reader', 'infer', '/models/acme/ppocr-detect'],
    ['globex reader', 'infer', '/models/acme/ppocr-recognize'],
    ['globex reader', 'create', '/blobs'],
    ['globex reader', 'read', '/blobs/blob_1'],
    ['globex reader', 'read', '/runs/run_1'],
    ['globex viewer', 'read', '/runs/run_1'],
    ['globex viewer', 'list', '/runs'],
    ['acme operator', 'create', '/runs'],
    ['acme operator', 'infer', '/models/acme/silero-vad'],
    ['acme operator', 'infer', '/models/acme/ppocr-detect'],
    ['acme operator', 'serve', '/tools/acme/lookup'],
    ['acme operator', 'list', '/agents'],
    ['acme admin', 'write', '/policies'],
    ['acme admin', 'create', '/runs'],
    ['acme reader', 'infer', '/models/acme/ppocr-detect'],
  ])('%s may %s %s', (who, action, path) => {
    const decision = engine.decide(ask(who, action, path));
    expect(decision.reason).toContain(action);
    expect(decision.code).toBe('allowed');
  });

  it.each([
    [
      'globex viewer',
      'create',
      '/runs',
      'no_matching_allow',
      'no policy of globex allows create on /runs with role viewer',
    ],
    ['globex viewer', 'infer', '/models/acme/ppocr-detect', 'no_matching_allow', 'no policy of acme allows infer'],
    ['globex reader', 'infer', '/models/acme/silero-vad', 'denied_by_rule', 'no-voice-for-partners'],
    ['globex reader', 'write', '/policies', 'no_matching_allow', ''],
    ['globex reader', 'serve', '/models/acme/ppocr-detect', 'no_grant', ''],
    ['globex operator', 'create', '/runs', 'no_matching_allow', ''],
    ['acme operator', 'write', '/policies', 'no_matching_allow', ''],
    ['acme viewer', 'infer', '/models/acme/ppocr-detect', 'no_matching_allow', ''],
    ['acme operator', 'infer', '/models/globex/any', 'no_grant', ''],
  ])('%s may not %s %s: %s', (who, action, path, code, reason) => {
    const decision = engine.decide(ask(who, action, path));
    expect(decision).toMatchObject({ allowed: false, code });
    expect(decision.reason).toContain(reason);
  });

  it('ends with the grant', () => {
    expect(engine.decide(ask('globex reader', 'infer', '/models/acme/ppocr-detect', 1_000)).code).toBe('grant_expired');
  });

  it('explains to a viewer which rules it missed', () => {
    const { rules } = engine.explain(ask('globex viewer', 'create', '/runs'));
    expect(rules).toContainEqual(
      expect.objectContaining({
        ruleId: 'readers-run',
        outcome: 'skipped',
        detail: 'condition false with every role (viewer)',
      }),
    );
    expect(rules).toContainEqual(expect.objectContaining({ ruleId: 'viewers-look', outcome: 'skipped' }));
  });

  it('rests the partner right on the grant and on a rule of each organisation', () => {
    const decision = engine.decide(ask('globex reader', 'infer', '/models/acme/ppocr-detect'));
    expect(decision).toMatchObject({ grantId: grant.id, rules: ['globex-readers-infer', 'readers-infer'] });
  });
});
