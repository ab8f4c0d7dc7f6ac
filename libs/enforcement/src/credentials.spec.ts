import { describe, expect, it } from 'vitest';
import { createBehindSidecar } from './behind-sidecar.js';
import { credentialKind, credentialsOf } from './credentials.js';
import { createSidecarProof, sidecarProofHeader } from './sidecar-proof.js';

const tokenOf = (typ: string): string =>
  `${Buffer.from(JSON.stringify({ alg: 'EdDSA', typ })).toString('base64url')}.e30.c2ln`;
const permit = tokenOf('cogmesh-permit+jwt');
const service = tokenOf('cogmesh-service+jwt');
const refused = (code: string): unknown => expect.objectContaining({ code });

describe('credentials', () => {
  const of = (authorization: string) => credentialsOf(new Map([['authorization', authorization]]));

  it.each([
    [permit, 'permit'],
    [service, 'service'],
  ])('are of the kind that the token says', (token, kind) => {
    for (const scheme of ['Bearer', 'bearer', 'BEARER']) expect(of(`${scheme} ${token}`)).toEqual({ kind, token });
    expect(credentialKind(token)).toBe(kind);
  });

  it.each(['', permit, `Basic ${permit}`, `Bearer`, `Bearer  ${permit}`, `Bearer ${permit} x`, `xBearer ${permit}`])(
    'are none in "%s"',
    (authorization) => expect(() => of(authorization)).toThrow(refused('unauthenticated')),
  );

  it('are needed', () => expect(() => credentialsOf(new Map())).toThrow(refused('unauthenticated')));

  it.each([tokenOf('at+jwt'), tokenOf('JWT'), 'x', '.', 'a.b.c', ''])('are of no other kind: %s', (token) => {
    expect(credentialKind(token)).toBeUndefined();
    if (token !== '') expect(() => of(`Bearer ${token}`)).toThrow(refused('invalid_token'));
  });
});

describe('behind a sidecar', () => {
  const secret = Buffer.alloc(32, 7);
  const method = '/cogmesh.scheduler.v1.SchedulerService/SubmitRun';
  const connect = '/cogmesh.registry.v1.AgentService/Connect';
  const subject = { issuer: 'i', sub: 's', organisation: 'acme', roles: [], attributes: {}, tokenId: '' };
  const claims = {
    id: 'p1',
    audience: 'scheduler',
    method,
    access: [{ action: 'create', resource: '/runs' }],
    subject,
  };
  const whole = { ...claims, outside: { iss: 'i', sub: 's', jti: '' }, grants: [], issuedAtMs: 0, expiresAtMs: 1 };

  function call(asked: string, token: string, more: { met?: string[]; anonymous?: ReadonlySet<string> } = {}) {
    const { met, anonymous } = more;
    const verifier = {
      verifyPermit: (jws: string, audience: string) =>
        Promise.resolve({ ...whole, audience: `${jws} for ${audience}`, ...(met === undefined ? {} : { met }) }),
      verifyServiceToken: () => Promise.resolve({ service: 'registry', audience: 'scheduler', expiresAtMs: 1 }),
    };
    const authorization = `Bearer ${token}`;
    const proof = createSidecarProof(secret, () => 1_000)({ method: asked, authorization });
    const metadata = new Map([
      ['authorization', authorization],
      [sidecarProofHeader, proof],
    ]);
    const options = { service: 'scheduler', secret, verifier, now: () => 1_000 };
    const authenticate = createBehindSidecar(anonymous === undefined ? options : { ...options, anonymous });
    return Promise.resolve(authenticate({ method: asked, metadata } as Parameters<typeof authenticate>[0]));
  }

  it('a permit says who calls, with which rights and what was met', async () => {
    const caller = { kind: 'subject', subject, access: claims.access, permitId: 'p1' };
    expect(await call(method, permit)).toEqual(caller);
    expect(await call(method, permit, { met: ['captcha'] })).toEqual({ ...caller, met: ['captcha'] });
  });

  it('a permit is for its own method', async () => {
    await expect(call(method.replace('Submit', 'Get'), permit)).rejects.toThrow(refused('invalid_permit'));
  });

  it('a service says which it is', async () => {
    expect(await call(method, service)).toEqual({ kind: 'service', service: 'registry' });
  });

  it('nobody needs to say who calls what is open to all, here or everywhere', async () => {
    expect(await call(connect, 'x')).toEqual({ kind: 'anonymous' });
    await expect(call(method, 'x')).rejects.toThrow(refused('invalid_token'));
    expect(await call(method, 'x', { anonymous: new Set([method]) })).toEqual({ kind: 'anonymous' });
  });
});
