/** A decision about an agent, with the registry's answers over the contract of its client. */
import { create } from '@bufbuild/protobuf';
import { registryV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { DecisionEngine, parsePolicySet, type AccessRequest } from '@cogmesh/policy-core';
import { beforeEach, describe, expect, it } from 'vitest';
import { HttpInformation } from './http-information.js';
import { explained, Informer } from './informer.js';
import { RegistryInformation } from './registry-information.js';

const { DRAINING, READY } = registryV1.AgentState;
const rules = [
  { id: 'ready', policy: "resource.attributes.state == 'READY'", permissions: ['use'], resources: ['/agents/*'] },
  { id: 'idle', policy: 'resource.attributes.load < 0.5', permissions: ['give'], resources: ['/agents/*'] },
  { id: 'not-lost', policy: "resource.attributes.state == 'LOST'", permissions: ['stop'], resources: ['/agents/*'], effect: 'deny' }, // prettier-ignore
  { id: 'all', permissions: ['list', 'stop'], resources: ['/**'] },
];

let asked: (readonly string[])[];
let agents: registryV1.Agent[];
let isAway: boolean;
let nowMs: number;
let informer: Informer;
const engine = new DecisionEngine();
for (const organisation of ['acme', 'globex'])
  engine.replace({ organisation, epoch: 1, document: parsePolicySet({ policies: rules }), grants: [] });

const agent = (id: string, state: registryV1.AgentState, load?: { running: number; queued: number }) => {
  const capabilities = [{ name: 'script', credits: 4, ready: true }];
  const known = { id, state, organisation: 'acme', capabilities, name: id, kind: registryV1.AgentKind.SDK };
  return create(registryV1.AgentSchema, load === undefined ? known : { ...known, portrait: load });
};

beforeEach(() => {
  asked = [];
  agents = [agent('a1', READY, { running: 1, queued: 0 }), agent('a2', DRAINING)];
  isAway = false;
  nowMs = 1_000;
  const bounds = { ttlMs: 100, timeoutMs: 50, entriesMax: 10, callsMax: 2, now: () => nowMs };
  const registry = {
    listAgents: async ({ agentIds = [] }: { agentIds?: string[] }) => {
      asked.push(agentIds);
      if (isAway) throw new CogmeshError('unavailable', 'the registry is away');
      const found = agents.filter(({ id }) => agentIds.includes(id));
      return create(registryV1.ListAgentsResponseSchema, { agents: found });
    },
  };
  const sign = () => Promise.reject(new Error('no source is asked here'));
  const sources = new HttpInformation({ ...bounds, sign, allowPrivate: false, bodyMaxBytes: 1_024 });
  informer = new Informer({ engine, registry: new RegistryInformation({ ...bounds, registry }), sources });
});

const request = (action: string, id: string, more: Partial<AccessRequest> = {}): AccessRequest => ({
  subject: { issuer: 'i', sub: 's', organisation: 'acme', roles: [], attributes: {} },
  action,
  resource: { type: 'agent', id },
  nowMs,
  ...more,
});

async function decided(...requests: AccessRequest[]) {
  const all = await informer.inform(requests);
  return all.map((each) => explained(engine.decide(each.access), each));
}

describe('a decision about agents', () => {
  it('asks once for all of a call, and nobody where no rule reads', async () => {
    const answers = await decided(request('use', 'a1'), request('use', 'a2'), request('list', 'a3'));
    expect(answers.map(({ allowed }) => allowed)).toEqual([true, false, true]);
    expect(asked).toEqual([['a1', 'a2']]);
    await decided(request('list', 'a1'));
    expect(asked).toHaveLength(1);
  });

  it('flips when the state does, within the time that an answer counts', async () => {
    expect(await decided(request('use', 'a1'))).toMatchObject([{ allowed: true }]);
    agents = [agent('a1', DRAINING)];
    nowMs = 1_099;
    expect(await decided(request('use', 'a1'))).toMatchObject([{ allowed: true }]);
    nowMs = 1_100;
    expect(await decided(request('use', 'a1'))).toMatchObject([{ allowed: false, code: 'no_matching_allow' }]);
  });

  it('is a refusal of its own kind when nobody can say, for allow and for deny', async () => {
    isAway = true;
    const answers = await decided(request('use', 'a1'), request('stop', 'a1'));
    expect(answers.map(({ code }) => code)).toEqual(['attribute_unavailable', 'attribute_unavailable']);
    expect(answers[0]?.reason).toContain('the registry did not say in 50 ms: the registry is away');
  });

  it('knows no load before the first portrait', async () => {
    const answers = await decided(request('give', 'a1'), request('give', 'a2'));
    expect(answers.map(({ code }) => code)).toEqual(['allowed', 'attribute_unavailable']);
    expect(answers[1]?.reason).toContain('has not told "load" yet');
  });

  it("tells nobody of another organisation's agent", async () => {
    const subject = { issuer: 'i', sub: 's', organisation: 'globex', roles: [], attributes: {} };
    const [theirs, unknown] = await decided(request('use', 'a1', { subject }), request('use', 'a9', { subject }));
    expect(theirs?.reason).toBe(unknown?.reason.replaceAll('a9', 'a1'));
    expect(theirs).toMatchObject({ allowed: false, code: 'attribute_unavailable' });
  });

  it('never takes from the caller what the registry is asked for, not even when it is away', async () => {
    const sent = { resourceAttributes: { state: 'READY', colour: 'red' } };
    const [informed] = await informer.inform([request('use', 'a2', sent)] as const);
    expect(informed.access).toMatchObject({ resourceAttributes: { colour: 'red' }, informed: { state: 'DRAINING' } });
    nowMs = 2_000;
    isAway = true;
    expect(await decided(request('use', 'a2', sent))).toMatchObject([{ allowed: false }]);
  });

  it('counts no longer than what it rests on', async () => {
    const [informed, other] = await informer.inform([request('use', 'a1'), request('list', 'a1')] as const);
    expect(informed.untilMs).toBe(1_100);
    expect(other.untilMs).toBeUndefined();
  });
});
