import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  addIssuerKey,
  developmentIssuerRecord,
  initialiseKeys,
  loadServiceIdentity,
  OutsideTokenVerifier,
  type ExchangedClaims,
  type IssuerRecord,
  type ServiceIdentity,
} from '../src/index.js';

let dir: string;
let gateway: ServiceIdentity;
let records: Record<'acme' | 'globex', IssuerRecord>;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cogmesh-exchange-'));
  await initialiseKeys(dir, { hostOrganisation: 'acme' });
  for (const name of ['acme', 'globex']) await addIssuerKey(dir, name);
  gateway = await loadServiceIdentity(dir, 'gateway');
  const options = { allowedRoles: ['reader', 'admin'], allowedAttributes: ['team'] };
  records = {
    acme: await developmentIssuerRecord(dir, { issuerName: 'acme', ...options }),
    globex: await developmentIssuerRecord(dir, { issuerName: 'globex', ...options }),
  };
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const claims = (over: Partial<ExchangedClaims['subject']> = {}): ExchangedClaims => ({
  subject: {
    issuer: records.globex.issuer,
    sub: 'ann',
    organisation: 'globex',
    roles: ['reader'],
    tokenId: 'token-1',
    keyId: 'key-1',
    attributes: { team: 'x' },
    actors: [
      { issuer: records.acme.issuer, sub: 'portal', organisation: 'acme', tokenId: 'token-2', keyId: 'key-2' },
      { issuer: records.globex.issuer, sub: 'batch', organisation: 'globex', tokenId: '', keyId: '' },
    ],
    ...over,
  },
  expiresAtMs: Math.floor(Date.now() / 1_000) * 1_000 + 200_000,
});

const verifierOf = (...issuers: readonly IssuerRecord[]) =>
  new OutsideTokenVerifier(issuers, { exchanged: (token) => gateway.verifier.verifyExchangeToken(token) });

describe('an exchanged token', () => {
  it('says what went into it: the subject as its own token said, and everybody who acts', async () => {
    const token = await gateway.mintExchangeToken(claims());
    const { keyId, ...subject } = claims().subject;
    const verified = await verifierOf(records.acme, records.globex).verifyWithExpiry(token);
    expect(verified).toEqual({ subject, keyId, expiresAtMs: claims().expiresAtMs });
    const payload = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as object;
    expect(payload).toMatchObject({ sub: 'ann', act: { sub: 'portal', act: { sub: 'batch' } }, client_id: 'portal' });
  });

  it('keeps no role or attribute that the issuer may not give any more', async () => {
    const token = await gateway.mintExchangeToken(claims({ roles: ['reader', 'admin'] }));
    const less = { ...records.globex, allowedRoles: ['admin'], allowedAttributes: [] };
    expect(await verifierOf(records.acme, less).verify(token)).toMatchObject({ roles: ['admin'], attributes: {} });
  });

  it('ends with the issuer of anybody it names', async () => {
    const token = await gateway.mintExchangeToken(claims());
    for (const name of ['acme', 'globex'] as const) {
      const ended = records[name];
      const rest = Object.values(records).filter((record) => record !== ended);
      const suspended = verifierOf(...rest, { ...ended, suspended: true });
      await expect(suspended.verify(token)).rejects.toMatchObject({ code: 'unknown_issuer' });
      const moved = verifierOf(...rest, { ...ended, organisation: 'initech' });
      await expect(moved.verify(token)).rejects.toMatchObject({ code: 'invalid_token' });
      await expect(verifierOf(...rest).verify(token)).rejects.toMatchObject({ code: 'unknown_issuer' });
    }
  });

  it('is bound when it was asked for so', async () => {
    const token = await gateway.mintExchangeToken({ ...claims(), boundTo: 'x'.repeat(43) });
    const verifier = verifierOf(records.acme, records.globex);
    await expect(verifier.verify(token)).rejects.toMatchObject({ code: 'invalid_dpop_proof' });
  });

  it('is made by the gateway alone, and no other token of the gateway passes for one', async () => {
    const scheduler = await loadServiceIdentity(dir, 'scheduler');
    await expect(scheduler.mintExchangeToken(claims())).rejects.toMatchObject({ code: 'permission_denied' });
    const { keyId: _keyId, ...subject } = claims().subject;
    const access = [{ action: 'read', resource: '/runs' }];
    const permit = await gateway.mintPermit({ audience: 'cogmesh', method: '/a.B/C', access, subject });
    await expect(gateway.verifier.verifyExchangeToken(permit)).rejects.toMatchObject({ code: 'invalid_token' });
    const other = new OutsideTokenVerifier([records.globex]);
    await expect(other.verify(await gateway.mintExchangeToken(claims()))).rejects.toMatchObject({
      code: 'unknown_issuer',
    });
  });

  it('is refused with more actors than a chain may have', async () => {
    const [actor] = claims().subject.actors;
    const actors = Array.from(
      { length: 5 },
      () => actor ?? { issuer: '', sub: '', organisation: '', tokenId: '', keyId: '' },
    );
    const token = await gateway.mintExchangeToken(claims({ actors }));
    await expect(gateway.verifier.verifyExchangeToken(token)).rejects.toMatchObject({ code: 'invalid_token' });
  });
});
