import { CogmeshError } from '@cogmesh/errors';
import { describe, expect, it } from 'vitest';
import { DecisionEngine } from './decision-engine.js';
import { parsePolicySet } from './parse-policy-set.js';
import type { AccessRequest } from './types.js';

const information = {
  url: 'https://facts.acme.example/now',
  attributes: { risk: 'string', score: 'number', state: 'number' },
  timeoutMs: 200,
};
const rules = [
  { id: 'ready', policy: "resource.attributes.state == 'READY'", permissions: ['drain'], resources: ['/agents/*'] },
  { id: 'calm', policy: "resource.attributes.risk == 'low'", permissions: ['infer'], resources: ['/models/acme/*'] },
  { id: 'any', permissions: ['list'], resources: ['/**'] },
  { id: 'own', policy: "resource.attributes.tier == 'x'", permissions: ['read'], resources: ['/models/acme/*'] },
];
const acme = parsePolicySet({ organisation: 'acme', information, policies: rules });
const calm = { ...rules[1], id: 'theirs' };
const globex = parsePolicySet({ organisation: 'globex', policies: [calm, { ...rules[0], id: 'theirs-ready' }] });
const grant = { id: 'g', grantor: 'acme', grantee: 'globex', actions: ['*'], resources: ['/models/acme/*'], expiresAtMs: 9e15 }; // prettier-ignore

const engine = new DecisionEngine();
engine.replace({ organisation: 'acme', epoch: 1, document: acme, grants: [grant] });
engine.replace({ organisation: 'globex', epoch: 1, document: globex, grants: [] });

const asks = (action: string, type: string, id: string, organisation = 'acme'): AccessRequest => ({
  subject: { issuer: 'i', sub: 's', organisation, roles: [], attributes: {} },
  action,
  resource: { type, id },
  nowMs: 0,
});
const namesOf = (request: AccessRequest) => {
  const { owner, ofRegistry, ofSource } = engine.informationFor(request) ?? {};
  return owner === undefined ? undefined : { owner, ofRegistry, ofSource };
};

describe('what has to be asked before a decision', () => {
  it('is what a candidate rule reads of an agent, of the registry, whatever the set declares under the name', () => {
    expect(namesOf(asks('drain', 'agent', 'a1'))).toEqual({ owner: 'acme', ofRegistry: ['state'], ofSource: [] });
  });

  it('is what the owner declares, of its source, for whoever asks', () => {
    const expected = { owner: 'acme', ofRegistry: [], ofSource: ['risk'] };
    expect(namesOf(asks('infer', 'model', 'acme/ocr'))).toEqual(expected);
    expect(namesOf(asks('infer', 'model', 'acme/ocr', 'globex'))).toEqual(expected);
  });

  it('is nothing where no candidate reads any of it', () => {
    expect(namesOf(asks('list', 'agent', 'a1'))).toBeUndefined();
    expect(namesOf(asks('list', 'model', 'acme/ocr'))).toBeUndefined();
    expect(namesOf(asks('read', 'model', 'acme/ocr'))).toBeUndefined();
    expect(namesOf(asks('drain', 'agent', ''))).toBeUndefined();
    expect(namesOf(asks('infer', 'model', 'globex/ocr', 'globex'))).toBeUndefined();
    expect(namesOf(asks('infer', 'model', 'nobody/ocr'))).toBeUndefined();
    expect(namesOf(asks('not a name', 'agent', 'a1'))).toBeUndefined();
  });
});

describe('what was told', () => {
  it('decides, stands against what came with the request, and is missing as an error where it is not there', () => {
    const drain = asks('drain', 'agent', 'a1');
    const sent = { ...drain, resourceAttributes: { state: 'READY' } };
    expect(engine.decide({ ...drain, informed: { state: 'READY' } }).allowed).toBe(true);
    expect(engine.decide({ ...sent, informed: { state: 'DRAINING' } }).allowed).toBe(false);
    expect(engine.decide({ ...drain, informed: { state: 7 } })).toMatchObject({ code: 'no_matching_allow' });
    expect(engine.decide({ ...drain, informed: {} })).toMatchObject({ code: 'no_matching_allow' });
  });

  it("is for the owner's rules alone", () => {
    const foreign = { ...asks('infer', 'model', 'acme/ocr', 'globex'), informed: { risk: 'low' } };
    const { rules: outcomes } = engine.explain(foreign);
    expect(outcomes.filter(({ outcome }) => outcome === 'matched').map(({ ruleId }) => ruleId)).toEqual(['calm']);
    expect(engine.decide(foreign).allowed).toBe(false);
  });
});

describe('a source in a policy set', () => {
  const problemsOf = (source: unknown) => {
    try {
      parsePolicySet({ information: source, policies: [] });
    } catch (thrown) {
      if (!(thrown instanceof CogmeshError)) throw thrown;
      return (thrown.details['issues'] as readonly { path: string }[]).map(({ path }) => path);
    }
    return [];
  };

  it('parses to itself', () => {
    expect(acme.information).toEqual(information);
    expect(parsePolicySet(acme)).toEqual(acme);
  });

  it.each([
    ['no object', 7, ['information', 'information.url', 'information.url', 'information.attributes']],
    ['another scheme', { ...information, url: 'file:///etc/passwd' }, ['information.url']],
    ['credentials', { ...information, url: 'https://a:b@facts.example' }, ['information.url']],
    ['nothing declared', { ...information, attributes: {} }, ['information.attributes']],
    ['an unknown type', { ...information, attributes: { risk: 'int' } }, ['information.attributes.risk']],
    ['a name that is none', { ...information, attributes: { 'a b': 'string' } }, ['information.attributes.a b']],
    ['a long wait', { ...information, timeoutMs: 2_001 }, ['information.timeoutMs']],
    ['a part of a millisecond', { ...information, ttlMs: 0.5 }, ['information.ttlMs']],
    ['a misspelt field', { ...information, ttl: 5 }, ['information.ttl']],
  ])('is refused with %s', (_what, source, paths) => {
    expect(problemsOf(source)).toEqual(paths);
  });
});
