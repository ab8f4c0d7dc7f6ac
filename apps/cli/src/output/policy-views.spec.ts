import { stripVTControlCharacters } from 'node:util';
import type { Explanation, PolicyCandidateView, PolicyFlipView, SimulationView } from '@cogmesh/sdk';
import { expect, it } from 'vitest';
import { governanceView } from '../commands/policy-governance.js';
import { explanationView } from '../commands/policy-explain.js';
import { simulationView } from '../commands/policy-simulate.js';
import { candidateView, versionsTable } from '../commands/policy-versions.js';

const lines = (text: string) => stripVTControlCharacters(text).split('\n');
const flip: PolicyFlipView = {
  organisation: 'acme',
  subject: 'ada',
  action: 'read',
  resource: '/runs',
  owner: 'acme',
  liveCode: 'allowed',
  candidateCode: 'no_grant',
  liveReason: '',
  candidateReason: 'no grant',
  count: 3,
  lastAt: null,
};
const simulation: SimulationView = {
  replayed: 10,
  unchanged: 4,
  undecidable: 2,
  flipsToDeny: 3,
  flipsToAllow: 1,
  flips: [{ ...flip, liveCode: 'no_grant', candidateCode: 'allowed', count: 1 }, flip],
  flipsNotListed: 0,
  truncated: true,
};

it('lists the flips, who loses first, and what could not be told', () => {
  const [, first, second, , head, ...rest] = lines(simulationView(simulation));
  expect(first).toMatch(/^allow → deny +3 +ada of acme +read +\/runs +no grant \(no_grant\)$/);
  expect(second).toMatch(/^deny → allow +1 +ada of acme/);
  expect(head).toBe(
    '10 recorded decisions replayed: 3 that were allowed would be denied, 1 that was denied would be allowed',
  );
  expect(rest.join(' ')).toMatch(/^2 could not be decided.*COGMESH_DECISION_LOG_CLEAR.*--limit/);
  const none = { ...simulation, flips: [], flipsToDeny: 0, flipsToAllow: 0, undecidable: 0, truncated: false };
  expect(lines(simulationView(none))).toEqual(['10 recorded decisions replayed: no decision flips']);
  expect(lines(simulationView({ ...none, replayed: 0 }))[0]).toContain('nothing of that time');
});

it('shows a candidate with its counts', () => {
  const candidate: PolicyCandidateView = {
    id: 'c1',
    basedOnEpoch: 2,
    writtenBy: 'ada',
    writtenAt: 'then',
    note: 'less',
    compared: 9,
    skipped: 1,
    flipsToDeny: 3,
    flipsToAllow: 0,
    flips: [flip],
  };
  const shown = lines(candidateView(candidate));
  expect(shown[0]).toBe('c1  put by ada at then, against epoch 2  less');
  expect(shown.at(-1)).toBe(
    '9 decisions compared (1 came too fast to be compared): 3 that were allowed would be denied',
  );
  expect(lines(candidateView({ ...candidate, compared: 0, flips: [] })).at(-1)).toBe('no decision was made since');
});

it('draws the governance matrix', () => {
  const [, first] = lines(governanceView());
  expect(first).toMatch(/^model-development +✓ may +⚠ with co-approval +✗ must not$/);
});

it('marks the version in force', () => {
  const version = { epoch: 2, writtenBy: 'ada', writtenAt: 'then', note: 'why', live: true, policies: 3, grants: 1 };
  const [, first, second] = lines(versionsTable([version, { ...version, epoch: 1, live: false }]));
  expect(first).toMatch(/^● in force +2 +then +ada +3 +1 +why$/);
  expect(second).toMatch(/^ +1 +then/);
});

it('explains a refusal rule by rule, and what to do', () => {
  const explanation: Explanation = {
    allowed: false,
    code: 'denied_by_rule',
    reason: 'policy "no" of acme denies read on /runs',
    decisionId: 'd1',
    epoch: 4,
    grant: 'g1',
    rules: [
      { organisation: 'acme', id: 'no', effect: 'deny', outcome: 'matched', detail: 'condition true', condition: 'x' },
      {
        organisation: 'acme',
        id: 'yes',
        effect: 'allow',
        outcome: 'skipped',
        detail: 'condition false',
        condition: 'y',
      },
    ],
  };
  const shown = lines(explanationView(explanation));
  expect(shown[0]).toBe('✗ denied  policy "no" of acme denies read on /runs (denied_by_rule)');
  expect(shown[1]).toBe('  epoch 4, grant g1, decision d1');
  expect(shown[4]).toMatch(/^● matched +deny +acme\/no +condition true: x$/);
  expect(shown[5]).toMatch(/^○ skipped +allow +acme\/yes +condition false$/);
  expect(shown.at(-1)).toMatch(/^→ a denial wins/);
});
