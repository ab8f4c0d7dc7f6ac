import { DecisionEngine, parsePolicySet } from '@cogmesh/policy-core';
import { CogmeshError } from '@cogmesh/errors';
import type { PermitClaims } from '@cogmesh/identity';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AccessCheck, DecisionCache, localPolicySource, OpenCalls, RevocationBook } from '../src/index.js';

let listeners: Set<() => void>;
let engine: DecisionEngine;
let revocations: RevocationBook;
let stale: boolean;
let calls: OpenCalls;

beforeEach(() => {
  vi.useFakeTimers({ now: 1_000_000 });
  listeners = new Set();
  engine = new DecisionEngine();
  revocations = new RevocationBook();
  stale = false;
  write(1, [{ permissions: ['read'], resources: ['/runs/*'] }]);
  const onChange = (listener: () => void) => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  };
  const source = {
    ...localPolicySource(engine, { revocations, onChange }),
    assertFresh: () => {
      if (stale) throw new CogmeshError('stale_policy', 'too old');
    },
  };
  const access = new AccessCheck({ source, cache: new DecisionCache(10), now: Date.now });
  calls = new OpenCalls({ source, access, now: Date.now });
});
afterEach(() => vi.useRealTimers());

function write(epoch: number, policies: unknown[]): void {
  engine.replace({ organisation: 'acme', epoch, document: parsePolicySet(policies), grants: [] });
  for (const listener of listeners) listener();
}

function open(sub: string): { readonly ends: string[]; stop(): void } {
  const ends: string[] = [];
  const permit: PermitClaims = {
    id: sub,
    audience: 'scheduler',
    method: '/x/Watch',
    access: [{ action: 'read', resource: '/runs/1' }],
    subject: { issuer: 'https://i', sub, organisation: 'acme', roles: [], tokenId: '', attributes: {} },
    outside: { iss: 'https://i', sub, jti: '' },
    grants: [],
    issuedAtMs: 0,
    expiresAtMs: Date.now() + 60_000,
  };
  const stop = calls.follow(permit, (why) => ends.push((why as CogmeshError).code));
  return { ends, stop };
}

describe('an open call', () => {
  it('outlives its permit, and ends once when its subject is revoked; the others go on', () => {
    const [ann, bob] = [open('ann'), open('bob')];
    vi.advanceTimersByTime(120_000);
    expect([ann.ends, bob.ends]).toEqual([[], []]);
    const thing = { kind: 'subject', organisation: 'acme', issuer: 'https://i', value: 'ann' } as const;
    revocations.apply({ since: 0, epoch: 1, changes: [{ ...thing, epoch: 1, untilMs: 0, lifted: false }] });
    for (const listener of listeners) listener();
    for (const listener of listeners) listener();
    expect([ann.ends, bob.ends]).toEqual([['revoked'], []]);
    expect(calls.size).toBe(1);
  });

  it('ends when new policies deny it', () => {
    const ann = open('ann');
    write(2, [{ permissions: ['read'], resources: ['/runs/1'] }]);
    expect(ann.ends).toEqual([]);
    write(3, []);
    expect(ann.ends).toEqual(['permission_denied']);
  });

  it('ends when the policies are too old, without anything being heard', () => {
    const ann = open('ann');
    stale = true;
    vi.advanceTimersByTime(250);
    expect(ann.ends).toEqual(['stale_policy']);
  });

  it('is not followed any more once it is over, and then nothing is watched', () => {
    const [ann, bob] = [open('ann'), open('bob')];
    ann.stop();
    ann.stop();
    bob.stop();
    expect([listeners.size, vi.getTimerCount(), calls.size]).toEqual([0, 0, 0]);
    write(2, []);
    expect([ann.ends, bob.ends]).toEqual([[], []]);
  });
});
