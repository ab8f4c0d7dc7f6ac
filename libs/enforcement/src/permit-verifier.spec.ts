import type { PermitClaims } from '@cogmesh/identity';
import { describe, expect, it } from 'vitest';
import { PermitVerifier } from './permit-verifier.js';

const submit = '/cogmesh.scheduler.v1.SchedulerService/SubmitRun';
const getRun = '/cogmesh.scheduler.v1.SchedulerService/GetRun';

function permit(more: Partial<PermitClaims> = {}): PermitClaims {
  return {
    id: 'p1',
    audience: 'scheduler',
    method: submit,
    access: [{ action: 'create', resource: '/runs' }],
    subject: { issuer: 'i', sub: 's', organisation: 'acme', roles: [], attributes: {}, tokenId: '' },
    outside: { iss: 'i', sub: 's', jti: '' },
    grants: [],
    issuedAtMs: 1_000_000,
    expiresAtMs: 1_060_000,
    ...more,
  };
}

function point({ maxUsedPermits = 10 } = {}) {
  const clock = { ms: 1_000_000 };
  const verified = permit();
  const verifier = { verifyPermit: () => Promise.resolve(verified) };
  const permits = new PermitVerifier({ verifier, audience: 'scheduler', now: () => clock.ms, maxUsedPermits });
  return { clock, permits };
}

const refused = (code: string): unknown => expect.objectContaining({ code });

describe('a permit', () => {
  it('is for its own method', async () => {
    const { permits } = point();
    await expect(permits.verify('token', submit)).resolves.toEqual(permit());
    await expect(permits.verify('token', getRun)).rejects.toThrow(refused('invalid_permit'));
  });

  it('that changes something is good once, one that reads again and again', () => {
    const { permits } = point();
    permits.use(permit());
    expect(() => permits.use(permit())).toThrow(refused('replayed_permit'));
    permits.use(permit({ id: 'p2' }));
    for (let i = 0; i < 20; i++) permits.use(permit({ id: 'p3', method: getRun }));
  });

  it('minted at the start of this point is good, one before it is not', () => {
    const { permits } = point();
    expect(() => permits.use(permit({ issuedAtMs: 999_999 }))).toThrow(refused('replayed_permit'));
    expect(() => permits.use(permit({ issuedAtMs: 999_999, method: getRun }))).not.toThrow();
    expect(() => permits.use(permit({ issuedAtMs: 1_000_000 }))).not.toThrow();
  });

  it('is remembered for as long as some clock may take it for good', () => {
    const { clock, permits } = point();
    permits.use(permit());
    clock.ms = 1_060_000 + 29_999;
    permits.use(permit({ id: 'other', issuedAtMs: clock.ms, expiresAtMs: clock.ms + 60_000 }));
    expect(() => permits.use(permit())).toThrow(refused('replayed_permit'));
  });
});

describe('used permits', () => {
  it('are bounded, and make room when they have expired', () => {
    const { clock, permits } = point({ maxUsedPermits: 2 });
    permits.use(permit({ id: 'a' }));
    permits.use(permit({ id: 'b', expiresAtMs: 1_200_000 }));
    const third = permit({ id: 'c' });
    expect(() => permits.use(third)).toThrow(
      expect.objectContaining({ code: 'overloaded', details: { retryAfterSeconds: 5 } }),
    );
    clock.ms = 1_100_000;
    permits.use(third);
    expect(() => permits.use(permit({ id: 'd' }))).toThrow(refused('overloaded'));
    expect(() => permits.use(permit({ id: 'b' }))).toThrow(refused('replayed_permit'));
  });
});
