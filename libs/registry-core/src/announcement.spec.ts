import { CogmeshError } from '@cogmesh/errors';
import { describe, expect, it } from 'vitest';
import { capability } from '../test/builders.js';
import { checkAnnouncement, toolOf, type Announcement } from './announcement.js';

const agent = (over: Partial<Announcement> = {}): Announcement => ({
  name: 'lookup',
  kind: 'sdk',
  organisation: 'acme',
  capabilities: [capability('tool:acme/lookup')],
  labels: {},
  ...over,
});

function refusal(announcement: Announcement): CogmeshError {
  try {
    checkAnnouncement(announcement);
  } catch (error) {
    if (error instanceof CogmeshError) return error;
    throw error;
  }
  throw new Error('was accepted');
}

describe('what an agent may announce', () => {
  it('accepts a tool of its own organisation', () => {
    expect(() => checkAnnouncement(agent())).not.toThrow();
  });

  it('accepts models and script of a worker', () => {
    const capabilities = ['model:acme/ppocr-detect@4.0.0', 'script'].map((name) => capability(name));
    expect(() => checkAnnouncement(agent({ kind: 'worker', capabilities }))).not.toThrow();
  });

  it("refuses someone else's tool and says whose it is", () => {
    const error = refusal(agent({ capabilities: [capability('tool:acme/lookup'), capability('tool:globex/lookup')] }));
    expect(error.code).toBe('permission_denied');
    expect(error.message).toContain('"globex"');
    expect(error.details.issues).toEqual([expect.objectContaining({ path: 'capabilities[1]' })]);
  });

  it.each([
    ['sdk', 'model:acme/ppocr-detect@4.0.0'],
    ['sdk', 'script'],
    ['sdk', 'tool:acme/../globex'],
    ['sdk', 'tool:acme/a/b'],
    ['sdk', 'tool:ACME/lookup'],
    ['worker', 'tool:acme/lookup'],
    ['worker', 'model:ppocr-detect@4.0.0'],
    ['worker', 'model:acme/ppocr-detect'],
  ] as const)('refuses %s announcing %s', (kind, name) => {
    expect(refusal(agent({ kind, capabilities: [capability(name)] })).code).toBe('permission_denied');
  });

  it.each([
    ['an agent without capabilities', { capabilities: [] }],
    ['an empty name', { name: '' }],
    ['a long label', { labels: { team: 'x'.repeat(257) } }],
    ['257 capabilities', { capabilities: Array.from({ length: 257 }, (_, i) => capability(`tool:acme/t${i}`)) }],
  ] as const)('refuses %s', (_, over) => {
    expect(refusal(agent(over)).code).toBe('invalid_argument');
  });

  it.each([
    ['negative credits', { credits: -1 }],
    ['half a credit', { credits: 0.5 }],
    ['more credits than it may ever have', { credits: 5, growth: { minCredits: 1, maxCredits: 4, bound: undefined } }],
    ['a least above the most', { credits: 1, growth: { minCredits: 5, maxCredits: 4, bound: undefined } }],
    ['a most above what is taken', { credits: 1, growth: { minCredits: 1, maxCredits: 1_001, bound: undefined } }],
    ['large metadata', { metadataJson: 'x'.repeat(65_537) }],
  ])('refuses %s', (_, over) => {
    const capabilities = [capability('tool:acme/lookup', over)];
    expect(refusal(agent({ capabilities })).details.issues).toHaveLength(1);
  });

  it('refuses a capability announced twice', () => {
    const capabilities = [capability('tool:acme/lookup'), capability('tool:acme/lookup')];
    expect(refusal(agent({ capabilities })).details.issues?.[0]?.path).toBe('capabilities[1]');
  });

  it('knows the tool behind a capability', () => {
    expect(toolOf('tool:acme/lookup')).toBe('acme/lookup');
    expect(toolOf('script')).toBeUndefined();
  });
});
