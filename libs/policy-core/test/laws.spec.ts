/** What must hold between two decisions whatever the policies say. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AccessRequest, Decision } from '../src/index.js';
import { engineOf, putInto } from './reference/engine.js';
import { orgs, roleNames, subs } from './reference/expression.js';
import { Random } from './reference/random.js';
import { randomRequest, randomWorld, type WorldOrganisation, type WorldRequest } from './reference/world.js';

const seeds = fc.integer({ min: 0, max: 0x7fffffff });

interface Scene {
  random: Random;
  world: WorldOrganisation[];
  requests: WorldRequest[];
}

function sceneOf(seed: number): Scene {
  const random = new Random(seed);
  const world = randomWorld(random);
  return { random, world, requests: Array.from({ length: 20 }, () => randomRequest(random)) };
}

/** Checks the law in many scenes; it says how often it had something to say, so that it is not true of nothing. */
function inManyScenes(law: (scene: Scene) => number, least: number): void {
  let told = 0;
  fc.assert(
    fc.property(seeds, (seed) => {
      told += law(sceneOf(seed));
    }),
    { numRuns: 150 },
  );
  expect(told).toBeGreaterThan(least);
}

const withOrganisation = (
  world: readonly WorldOrganisation[],
  name: string,
  change: (organisation: WorldOrganisation) => WorldOrganisation,
): WorldOrganisation[] => world.map((each) => (each.name === name ? change(each) : each));

describe('laws', () => {
  it('one more deny never grants', () => {
    inManyScenes(({ random, world, requests }) => {
      const [source] = randomWorld(random).flatMap(({ rules }) => rules);
      if (source === undefined) return 0;
      const name = random.pick(orgs);
      const denying = { ...source, id: 'more', effect: 'deny' as const };
      const after = engineOf(
        withOrganisation(world, name, (each) => {
          const at = random.below(each.rules.length + 1);
          return { ...each, rules: each.rules.toSpliced(at, 0, denying) };
        }),
      );
      const before = engineOf(world);
      const granted = requests.filter((request) => after.decide(request).allowed && !before.decide(request).allowed);
      expect(granted).toEqual([]);
      return requests.filter((request) => before.decide(request).allowed && !after.decide(request).allowed).length;
    }, 10);
  });

  it("one allow less never grants, and no organisation's grant grants inside another", () => {
    inManyScenes(({ random, world, requests }) => {
      const name = random.pick(orgs);
      const before = engineOf(world);
      const after = engineOf(
        withOrganisation(world, name, (each) => {
          const gone = each.rules.findIndex(({ effect }) => effect === 'allow');
          return { ...each, rules: each.rules.filter((_, i) => i !== gone), grants: [] };
        }),
      );
      for (const request of requests)
        if (!before.decide(request).allowed) expect(after.decide(request).allowed).toBe(false);
      return requests.filter((request) => before.decide(request).allowed && !after.decide(request).allowed).length;
    }, 10);
  });

  it("another organisation's set never changes mine", () => {
    inManyScenes(({ random, world, requests }) => {
      const engine = engineOf(world);
      const [mine = '', other = ''] = random.some(orgs, 2, 2);
      const inside = requests.map((request) => ({
        ...request,
        subject: { ...request.subject, organisation: mine },
        ...(request.resource.type === 'model' ? { resource: { type: 'model', id: `${mine}/ocr` } } : { owner: mine }),
      }));
      const before = inside.map((request) => engine.decide(request));
      const stranger = randomWorld(random).find(({ name }) => name === other);
      if (stranger !== undefined) putInto(engine, stranger);
      expect(inside.map((request) => engine.decide(request))).toEqual(before);
      engine.remove(other);
      expect(inside.map((request) => engine.decide(request))).toEqual(before);
      return before.filter(({ allowed }) => allowed).length;
    }, 100);
  });

  it('other names, the same answers', () => {
    const fresh = (name: string) => `x-${name}-x`;
    const names = [...orgs, ...roleNames, ...subs];
    const rename = <T>(value: T): T => {
      const text = JSON.stringify(value).replaceAll(/[A-Za-z]+/g, (word) =>
        names.includes(word) ? fresh(word) : word,
      );
      return JSON.parse(text) as T;
    };
    const renamedCel = (organisation: WorldOrganisation): WorldOrganisation => {
      const renamed = rename(organisation);
      return {
        ...renamed,
        rules: renamed.rules.map((rule, i) => ({ ...rule, when: inNewWords(organisation.rules[i]?.when) })),
        bindings: renamed.bindings.map((each, i) => ({ ...each, when: inNewWords(organisation.bindings[i]?.when) })),
      };
    };
    const inNewWords = (when: WorldOrganisation['rules'][number]['when']) =>
      when && {
        ...when,
        cel: when.cel.replaceAll(/'([a-z]+)'/g, (_, word: string) => `'${names.includes(word) ? fresh(word) : word}'`),
      };
    inManyScenes(({ world, requests }) => {
      const before = engineOf(world);
      const after = engineOf(world.map(renamedCel));
      const essence = ({ allowed, code, rules, epoch, validUntilMs }: Decision) => ({
        allowed,
        code,
        rules,
        epoch,
        validUntilMs,
      });
      const decisions = requests.map((request) => essence(before.decide(request)));
      expect(requests.map((request) => essence(after.decide(rename(request))))).toEqual(decisions);
      return decisions.filter(({ allowed }) => allowed).length;
    }, 100);
  });

  it('what a decision does not read does not change it', () => {
    const kept = (map: Readonly<Record<string, unknown>> | undefined, names: readonly string[]) =>
      names.includes('*')
        ? map
        : Object.fromEntries(Object.entries(map ?? {}).filter(([name]) => names.includes(name)));
    inManyScenes(({ world, requests }) => {
      const engine = engineOf(world);
      let told = 0;
      for (const request of requests) {
        const decision = engine.decide(request);
        const { attributes, context, resourceAttributes } = decision.reads;
        const { context: given, resourceAttributes: known, ...rest } = request;
        const less: AccessRequest = {
          ...rest,
          subject: { ...request.subject, attributes: { ...kept(request.subject.attributes, attributes), noise: [1] } },
          context: { ...kept(given, context), noise: 'x' },
          resourceAttributes: { ...kept(known, resourceAttributes), noise: null },
        };
        expect(engine.decide(less)).toEqual(decision);
        told += attributes.length + context.length + resourceAttributes.length;
      }
      return told;
    }, 500);
  });

  it('what is needed is known before, from the fields that are said to tell', () => {
    inManyScenes(({ world, requests }) => {
      const engine = engineOf(world);
      let told = 0;
      for (const request of requests) {
        const { reads } = engine.decide(request);
        const needs = engine.needs(request);
        if (reads.attributes.length + reads.context.length + reads.resourceAttributes.length > 0)
          expect(reads).toEqual(needs);
        const bare = {
          subject: { ...request.subject, roles: [], attributes: {} },
          action: request.action,
          resource: request.resource,
        };
        const owner = request.owner === undefined ? {} : { owner: request.owner };
        expect(engine.needs({ ...bare, ...owner, nowMs: 0 })).toEqual(needs);
        told += needs.resourceAttributes.length;
      }
      return told;
    }, 100);
  });

  it('time alone changes nothing before the time a decision names', () => {
    inManyScenes(({ world, requests }) => {
      const engine = engineOf(world);
      let told = 0;
      for (const request of requests) {
        const decision = engine.decide(request);
        const until = decision.validUntilMs ?? Number.MAX_SAFE_INTEGER;
        expect(until).toBeGreaterThan(request.nowMs);
        expect(engine.decide({ ...request, nowMs: until - 1 })).toEqual(decision);
        if (decision.validUntilMs !== undefined) told++;
      }
      return told;
    }, 100);
  });

  it('the order of the policies changes neither the right nor the code', () => {
    inManyScenes(({ world, requests }) => {
      const before = engineOf(world);
      const after = engineOf(world.map((each) => ({ ...each, rules: each.rules.toReversed() })));
      let told = 0;
      for (const request of requests) {
        const { allowed, rules } = before.decide(request);
        const turned = after.decide(request);
        expect(turned.allowed).toBe(allowed);
        if (allowed) expect(turned.rules.toSorted()).toEqual(rules.toSorted());
        told += allowed ? 1 : 0;
      }
      return told;
    }, 100);
  });

  it('an explanation has the decision that it explains', () => {
    inManyScenes(({ world, requests }) => {
      const engine = engineOf(world);
      for (const request of requests) expect(engine.explain(request).decision).toEqual(engine.decide(request));
      return requests.length;
    }, 1_000);
  });
});
