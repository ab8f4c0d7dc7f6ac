import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeProtectedHeader, importJWK, jwtVerify, type JWK } from 'jose';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { initialiseKeys, loadServiceIdentity } from '../src/index.js';

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cogmesh-question-'));
  await initialiseKeys(dir, { hostOrganisation: 'acme' });
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const question = { url: 'https://facts.acme.example/now', body: '{"resources":[]}' };

it('is for one address and one body, and of the policy service alone', async () => {
  const policy = await loadServiceIdentity(dir, 'policy');
  const token = await policy.signInformationQuestion(question);
  const { d: _private, ...jwk } = JSON.parse(await readFile(join(dir, 'services/policy.jwk'), 'utf8')) as JWK;
  const expected = { typ: 'cogmesh-information+jwt', issuer: 'policy', audience: question.url };
  const { payload } = await jwtVerify(token, await importJWK(jwk, 'EdDSA'), expected);
  expect(payload['body_sha256']).toBe(createHash('sha256').update(question.body).digest('base64url'));
  expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(60);
  expect(decodeProtectedHeader(token)).toMatchObject({ alg: 'EdDSA' });
  const registry = await loadServiceIdentity(dir, 'registry');
  await expect(registry.signInformationQuestion(question)).rejects.toMatchObject({ code: 'permission_denied' });
});

it('opens nothing inside', async () => {
  const policy = await loadServiceIdentity(dir, 'policy');
  const token = await policy.signInformationQuestion({ ...question, url: 'registry' });
  await expect(policy.verifyServiceToken(token, 'registry')).rejects.toMatchObject({ code: 'invalid_token' });
});
