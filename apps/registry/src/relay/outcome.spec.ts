import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { workV1 } from '@cogmesh/contracts';
import { describe, expect, it } from 'vitest';
import { outcomeOf } from './outcome.js';

type Said = NonNullable<MessageInitShape<typeof workV1.ResultSchema>['outcome']>;

const of = (outcome: Said | undefined, started = true) =>
  outcomeOf(create(workV1.ResultSchema, outcome === undefined ? {} : { outcome }), started);

const error = (over: object) => ({ case: 'error' as const, value: { code: 'timeout', message: 'late', ...over } });

describe('what an agent says about an attempt', () => {
  it('passes as it is when it keeps the contract', () => {
    expect(of({ case: 'outputJson', value: '{"a":1}' })).toEqual({ case: 'outputJson', value: '{"a":1}' });
    const failed = of(error({ retryable: true, detailsJson: '{"at":1}' }));
    expect(failed).toMatchObject({
      case: 'error',
      value: { code: 'timeout', retryable: true, detailsJson: '{"at":1}' },
    });
  });

  it.each([
    ['no outcome', undefined, { code: 'task_failed' }],
    [
      'an output that is not JSON',
      { case: 'outputJson' as const, value: '{' },
      { code: 'task_failed', retryable: false },
    ],
    ['an empty output', { case: 'outputJson' as const, value: '' }, { code: 'task_failed' }],
    ['a code nobody knows', error({ code: 'constructor' }), { code: 'task_failed' }],
    ['a long message', error({ message: 'x'.repeat(9_999) }), { message: 'x'.repeat(2_000) }],
    ['evidence that is not JSON', error({ detailsJson: '{' }), { detailsJson: '{}' }],
    ['too much evidence', error({ detailsJson: `"${'x'.repeat(20_000)}"` }), { detailsJson: '{}' }],
    [
      'work handed back after its start',
      { case: 'returned' as const, value: { code: 'draining' } },
      { code: 'unavailable', retryable: true },
    ],
  ])('is made to keep it: %s', (_, said, value) => {
    expect(of(said)).toMatchObject({ case: 'error', value });
  });

  it('may hand back what it has not started, for a known reason', () => {
    const handBack = (code: string) => of({ case: 'returned', value: { code, reason: 'r' } }, false);
    expect(handBack('draining')).toEqual({ case: 'returned', value: { code: 'draining', reason: 'r' } });
    expect(handBack('stale_policy')).toMatchObject({ value: { code: 'overloaded' } });
  });
});
