/** What a grant says about the people whose work it covers, and how much of that fits into one message. */
import type { GrantedAttempt } from '@cogmesh/identity';
import { describe, expect, it } from 'vitest';
import { submitterText } from './submitter.js';
import { batchesOf, workMessage, type ClaimedWork } from './work-message.js';

const subjectOf = (sub: string, attributes: Record<string, unknown> = {}) => ({
  ...{ issuer: 'https://i', sub, organisation: 'acme', roles: ['analyst'], tokenId: 't1', keyId: 'k1', attributes },
});

/** Only what a message is made of. */
function workOf(attemptId: string, submitter: string | null): ClaimedWork {
  const work = {
    row: { attemptId, runId: 'run_1', taskId: 'a', itemIndex: -1, organisation: 'acme', attempt: 0, priority: 5 },
    target: { agentId: 'agent_1', capability: 'script' },
    plan: { timeoutMs: 1_000 },
    input: { inputJson: '{}', inputSha256: 'c'.repeat(64), blobs: [] },
    run: { traceparent: '', totalTasks: 1, submitter },
    traceparent: '',
  };
  return work as unknown as ClaimedWork;
}

async function grantedIn(works: readonly ClaimedWork[]): Promise<readonly GrantedAttempt[]> {
  let granted: readonly GrantedAttempt[] = [];
  await workMessage(works, {
    mintTaskGrant: ({ attempts }) => {
      granted = attempts;
      return Promise.resolve('a grant');
    },
  });
  return granted;
}

describe('a task grant', () => {
  it('says who submitted the work with roles, attributes and what was met; equal ones are one', async () => {
    const ann = submitterText(subjectOf('ann', { team: 'vision' }), ['co-approval']);
    const [first, second, third] = await grantedIn([workOf('1', ann), workOf('2', `${ann}`), workOf('3', null)]);
    expect(first?.submitter).toEqual({
      ...{ issuer: 'https://i', sub: 'ann', tokenId: 't1', keyId: 'k1', roles: ['analyst'] },
      ...{ attributes: { team: 'vision' }, met: ['co-approval'] },
    });
    expect(second?.submitter).toBe(first?.submitter);
    expect(third?.submitter).toBeUndefined();
  });

  it('covers no more people than a token can name, however little their work is', () => {
    const works = Array.from({ length: 20 }, (_, at) =>
      workOf(`${at}`, submitterText(subjectOf(`user-${at}`, { note: 'x'.repeat(8_000) }))),
    );
    const batches = batchesOf(works);
    expect(batches.flat()).toEqual(works);
    expect(batches.length).toBeGreaterThan(1);
    for (const batch of batches) {
      const chars = batch.reduce((sum, { run }) => sum + (run.submitter?.length ?? 0), 0);
      expect(chars).toBeLessThan(48 * 1024);
    }
  });

  it('covers as much work of one person as a message may carry', () => {
    const ann = submitterText(subjectOf('ann', { note: 'x'.repeat(8_000) }));
    expect(batchesOf(Array.from({ length: 100 }, (_, at) => workOf(`${at}`, ann)))).toHaveLength(1);
  });
});
