import { create } from '@bufbuild/protobuf';
import { policyV1 } from '@cogmesh/contracts';
import { describe, expect, it } from 'vitest';
import { coApprovalIn } from './co-approval.js';

const right = { action: 'infer', resource: '/tools/acme/deploy' };
const obligation = (properties: unknown) =>
  create(policyV1.ObligationSchema, { id: 'co-approval', propertiesJson: JSON.stringify(properties) });
const check = (tasks: unknown, properties: unknown = { stage: 'deployment', roles: ['mlops-engineer'] }) =>
  coApprovalIn(JSON.stringify({ tasks }), 'acme')(obligation(properties), right);

const gate = { id: 'ok', uses: 'approval', input: { roles: ['mlops-engineer'], notBy: 'submitter' } };
const deploy = { id: 'ship', uses: 'tool:acme/deploy', depends: ['ok'] };

describe('a run shows a co-approval', () => {
  it('when what is governed waits for the approval of another person', () => {
    expect(check([gate, deploy])).toBeUndefined();
    expect(check([gate, { ...deploy, uses: 'tool:acme/deploy@1' }, { id: 'else', uses: 'script' }])).toBeUndefined();
  });

  it('when it is governed inside a run that waits', () => {
    const inner = { tasks: [{ id: 'a', uses: 'tool:acme/deploy' }] };
    expect(check([gate, { id: 'nest', uses: 'run', document: inner, depends: ['ok'] }])).toBeUndefined();
    expect(check([gate, { id: 'nest', uses: 'run', document: inner }])).toContain('task "nest"');
  });

  it.each<[string, unknown[]]>([
    ['there is no approval', [{ ...deploy, depends: [] }]],
    ['it does not wait', [gate, { ...deploy, depends: [] }]],
    [
      'it waits only by way of another',
      [gate, { id: 'mid', uses: 'script', depends: ['ok'] }, { ...deploy, depends: ['mid'] }],
    ],
    ['one of two does not wait', [gate, deploy, { ...deploy, id: 'again', depends: [] }]],
    ['the submitter may approve', [{ ...gate, input: { roles: ['mlops-engineer'] } }, deploy]],
    ['anybody may approve', [{ ...gate, input: { notBy: 'submitter' } }, deploy]],
    ['no role is named', [{ ...gate, input: { notBy: 'submitter', roles: [] } }, deploy]],
    [
      'another role may approve too',
      [{ ...gate, input: { notBy: 'submitter', roles: ['mlops-engineer', 'x'] } }, deploy],
    ],
    ['the approval may be left out', [{ ...gate, when: 'false' }, deploy]],
    ['the run goes on after a refusal', [{ ...gate, onFailure: 'continue' }, deploy]],
    ['it is asked for items, of which there may be none', [{ ...gate, forEach: '${{ [] }}' }, deploy]],
    ['it is no approval', [{ ...gate, uses: 'sleep' }, deploy]],
  ])('not when %s', (_why, tasks) => {
    expect(check(tasks)).toContain('needs the approval of another person with the role mlops-engineer');
  });

  it('says what to write', () => {
    expect(check([{ ...deploy, depends: [] }])).toContain(
      'let task "ship" depend on a task {"id":"co-approval","uses":"approval","input":{"roles":["mlops-engineer"],"notBy":"submitter"}}',
    );
  });

  it('not when the policy does not say by whom, or nothing in the run is what it is about', () => {
    expect(check([gate, deploy], {})).toContain('does not say by whom');
    expect(check([gate, deploy], { roles: 'all' })).toContain('does not say by whom');
    expect(check([gate])).toContain('what uses /tools/acme/deploy');
    expect(check('none')).toContain('what uses /tools/acme/deploy');
  });
});
