import { CogmeshError } from '@cogmesh/errors';
import type { Logger } from '@cogmesh/telemetry';
import { describe, expect, it } from 'vitest';
import { refusedUpdatesMax } from './limits.js';
import { RefusedUpdates, refusalReasonOf } from './refused-updates.js';

function world() {
  const lines: string[] = [];
  const clock = { ms: 1_000 };
  const logger = { warn: (_: unknown, line: string) => void lines.push(line) } as unknown as Logger;
  return { lines, clock, refused: new RefusedUpdates(logger, () => clock.ms) };
}

describe('what was refused', () => {
  it('is told with its first moment and how often, until it was told', () => {
    const { clock, refused } = world();
    refused.note('rollback', { organisation: 'acme', epoch: 3 }, 'first');
    clock.ms = 2_000;
    refused.note('rollback', { organisation: 'acme', epoch: 3 }, 'x'.repeat(400));
    refused.note('truncated', {}, 'other');
    expect(refused.untold()).toEqual([
      { reason: 'rollback', organisation: 'acme', epoch: 3, detail: 'x'.repeat(300), atMs: 1_000, count: 2 },
      { reason: 'truncated', organisation: '', epoch: 0, detail: 'other', atMs: 2_000, count: 1 },
    ]);
    refused.told();
    expect(refused.untold()).toEqual([]);
    expect([...refused.totals()]).toEqual([
      ['rollback', 2],
      ['truncated', 1],
    ]);
  });

  it('is bounded, and what is known already goes on being counted', () => {
    const { refused } = world();
    for (let epoch = 0; epoch < refusedUpdatesMax + 5; epoch++) refused.note('rollback', { epoch }, 'x');
    refused.note('rollback', { epoch: 0 }, 'again');
    expect(refused.untold()).toHaveLength(refusedUpdatesMax);
    expect(refused.untold()[0]).toMatchObject({ epoch: 0, count: 2, detail: 'again' });
    expect(refused.totals().get('rollback')).toBe(refusedUpdatesMax + 6);
  });

  it('is logged once a minute, each by itself', () => {
    const { lines, clock, refused } = world();
    const note = (epoch: number) => refused.note('rollback', { epoch }, `epoch ${String(epoch)}`);
    note(1);
    note(1);
    note(2);
    expect(lines).toHaveLength(2);
    clock.ms += 59_999;
    note(1);
    expect(lines).toHaveLength(2);
    clock.ms += 1;
    note(1);
    expect(lines).toHaveLength(3);
    expect(lines[2]).toContain('epoch 1');
  });

  it('is logged again rather than remembered without end', () => {
    const { lines, refused } = world();
    for (let epoch = 0; epoch < refusedUpdatesMax; epoch++) refused.note('rollback', { epoch }, 'x');
    refused.note('rollback', { epoch: 0 }, 'x');
    expect(lines).toHaveLength(refusedUpdatesMax);
    refused.note('rollback', { epoch: 1_000 }, 'x');
    refused.note('rollback', { epoch: 0 }, 'x');
    expect(lines).toHaveLength(refusedUpdatesMax + 2);
  });
});

describe('the reason', () => {
  const signature = 'a'.repeat(86);
  const failed = Object.assign(new Error('no'), { code: 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED' });
  const bad = (cause?: unknown) =>
    new CogmeshError('invalid_token', 'bad', {}, ...(cause === undefined ? [] : [{ cause }]));

  it.each<[string, CogmeshError, string]>([
    ['expired', new CogmeshError('expired_token', 'over'), `a.b.${signature}`],
    ['not_yet_valid', new CogmeshError('invalid_token', 'early', { claim: 'nbf' }), `a.b.${signature}`],
    ['bad_signature', bad(failed), `a.b.${signature}`],
    ['truncated', bad(failed), `a.b.${signature.slice(1)}`],
    ['truncated', bad(), `a.b.${signature}`],
    ['truncated', bad(), 'a'],
  ])('%s', (reason, error, jws) => expect(refusalReasonOf(error, jws)).toBe(reason));
});
