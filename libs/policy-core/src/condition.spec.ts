import { describe, expect, it } from 'vitest';
import { compileCondition, evaluationErrorText, isConditionProblem, type Condition } from './condition.js';
import { FactsOfResource, FactsOfTopology, type Facts } from './facts.js';
import { limits } from './limits.js';

type JsonMap = Record<string, unknown>;

function factsOf({ attributes = {}, context = {}, ofResource = {} }: Record<string, JsonMap> = {}): Facts {
  const place = { path: '/runs/1', segments: ['runs', '1'], owner: 'acme' };
  return {
    sub: 's',
    org_id: 'acme',
    issuer: 'i',
    role: 'reader',
    roles: ['reader', 'writer'],
    action: 'read',
    resource: new FactsOfResource({ type: 'run', id: '1' }, place, ofResource),
    context,
    attributes,
    topology: new FactsOfTopology({ parents: ['p'], members: ['m'], partners: ['q'] }),
  };
}

function compiled(text: string): Condition {
  const condition = compileCondition(text);
  if (isConditionProblem(condition)) throw new Error(condition.message);
  return condition;
}

function problemOf(text: string, place?: 'binding'): string | undefined {
  const condition = compileCondition(text, place);
  return isConditionProblem(condition) ? condition.code : undefined;
}

const nothing = { attributes: [], context: [], resourceAttributes: [] };

describe('what a condition reads', () => {
  it.each([
    ["sub == 's'", {}],
    ["resource.id == '1' && resource['owner'] == 'acme'", {}],
    ["attributes.b == 'x' && attributes['a'] == 'y'", { attributes: ['a', 'b'] }],
    ["context.b == 'x' || context['a'] == 'y'", { context: ['a', 'b'] }],
    ["resource.attributes.b == 'x' || resource['attributes']['a'] == 'y'", { resourceAttributes: ['a', 'b'] }],
    ['has(attributes.a) && has(resource.attributes.a)', { attributes: ['a'], resourceAttributes: ['a'] }],
    ['attributes[sub] == 1', { attributes: ['*'] }],
    ['context[attributes.a] == 1', { attributes: ['a'], context: ['*'] }],
    ['resource.attributes[sub] == 1', { resourceAttributes: ['*'] }],
    ['size(resource.attributes) == 1', { resourceAttributes: ['*'] }],
    ["attributes.a.b == 'x'", { attributes: ['a'] }],
    [
      "attributes.list.exists(each, each == context.c && each != 'attributes')",
      { attributes: ['list'], context: ['c'] },
    ],
    ["sub in topology.members || ['x'].exists(each, each == attributes.a)", { attributes: ['a'] }],
  ])('%s', (text, reads) => expect(compiled(text).reads).toEqual({ ...nothing, ...reads }));

  it.each([
    ["role == 'a'", true, true, false],
    ["'a' in roles", false, true, false],
    ["role == 'a' && org_id == 'acme'", true, true, true],
    ["'a' in roles && issuer == 'i'", false, true, true],
    ["context.role == 'a' && resource.owner == 'x'", false, false, false],
    ["attributes.role == 'a'", false, false, false],
    ["attributes['org_id'] == 'a'", false, false, false],
    ["roles.exists(each, each == 'a')", false, true, false],
  ])('%s: the role %s, roles %s, whose %s', (text, readsRole, readsRoles, namesOrganisation) => {
    expect(compiled(text)).toMatchObject({ text, readsRole, readsRoles, namesOrganisation });
  });
});

describe('what is refused when it is written', () => {
  it.each([
    ["attributes.list.map(each, each) == ['x']", 'forbidden_function'],
    ["sub.split('a') == ['x']", 'forbidden_function'],
    ['attributes.a.exists(x, attributes.b.exists(y, x == y))', 'nested_loop'],
    ["attributes.a.exists(x, x == 'a') && attributes.b.all(y, y == 'b')", undefined],
    ["attributes.a.exists(role, role == 'a')", 'shadowed_name'],
    ["attributes.a.filter(sub, sub == 'a') == ['a']", 'shadowed_name'],
    ['sub', 'not_boolean'],
    ['attributes.flag', undefined],
    ["sub == 'a' &&", 'unexpected_token'],
    ['attributes.a.exists(x, x in attributes.b)', 'too_costly'],
    ["attributes.a.exists(x, x in ['a', 'b'])", undefined],
    ['roles.exists(x, x in attributes.b)', undefined],
    ['roles.exists(x, x in attributes.b) && roles.exists(x, x in attributes.c)', 'too_costly'],
    ['attributes.exists(x, x in attributes.b)', 'too_costly'],
    ["attributes.a.exists(x, x.contains('b'))", 'too_costly'],
    ["attributes.a.exists(x, x.startsWith('b'))", undefined],
    [`sub == '${'x'.repeat(limits.conditionChars - 9)}'`, undefined],
    [`sub == '${'x'.repeat(limits.conditionChars - 8)}'`, 'too_long'],
  ])('%s: %s', (text, code) => expect(problemOf(text)).toBe(code));

  it('has no roles in a binding, which decides about them', () => {
    for (const text of ["role == 'a'", "'a' in roles"]) {
      expect(problemOf(text, 'binding'), text).toBe('unknown_variable');
      expect(problemOf(text), text).toBeUndefined();
    }
    expect(problemOf("sub == 's'", 'binding')).toBeUndefined();
  });

  it('says where', () => {
    expect(compileCondition("sub == 'a' && sub.matches('a')")).toMatchObject({
      message: expect.stringContaining('at character 14') as unknown,
    });
  });
});

describe('a condition that may look through something long', () => {
  const items = (count: number) => Array.from({ length: count }, () => 'x');
  const holds = "'x' in attributes.a || 'x' in context.c || 'x' in resource.attributes.r";

  it.each([
    ['attributes', 'a'],
    ['context', 'c'],
    ['ofResource', 'r'],
  ])('takes a list of %s up to the limit and fails beyond', (map, name) => {
    const given = (count: number) => {
      const lists = { attributes: { a: [] }, context: { c: [] }, ofResource: { r: [] } };
      return factsOf({ ...lists, [map]: { [name]: items(count), unread: items(limits.listItems + 1) } });
    };
    expect(compiled(holds).evaluate(given(limits.listItems))).toBe(true);
    expect(() => compiled(holds).evaluate(given(limits.listItems + 1))).toThrow(
      `"${name}" holds a list or text of more`,
    );
  });

  it.each([
    ['a text', 'x'.repeat(limits.textChars), 'x'.repeat(limits.textChars + 1)],
    ['a list within', [items(limits.listItems)], [items(limits.listItems + 1)]],
    ['a map within', { m: items(limits.listItems) }, { m: items(limits.listItems + 1) }],
    ['a text within', ['x'.repeat(limits.textChars)], ['x'.repeat(limits.textChars + 1)]],
  ])('counts %s', (_, most, more) => {
    const condition = compiled("attributes.a == 'never' || attributes.b.contains('x')");
    const given = (a: unknown) => factsOf({ attributes: { a, b: 'x' } });
    expect(condition.evaluate(given(most))).toBe(true);
    expect(() => condition.evaluate(given(more))).toThrow('"a" holds');
  });

  it('takes numbers, truths and null as they are', () => {
    const condition = compiled('size(attributes.a) == 1 && attributes.b != 7');
    for (const b of [null, true, 1]) expect(condition.evaluate(factsOf({ attributes: { a: [1], b } }))).toBe(true);
  });

  it('bounds the whole of a map that is looked up by what comes with the request', () => {
    const condition = compiled("'x' in attributes[sub]");
    const wide = Object.fromEntries(Array.from({ length: limits.listItems }, (_, i) => [String(i), 1]));
    expect(condition.evaluate(factsOf({ attributes: { s: ['x'] } }))).toBe(true);
    expect(() => condition.evaluate(factsOf({ attributes: { ...wide, s: ['x'] } }))).toThrow('"*" holds');
  });
});

describe('what has no answer', () => {
  it.each([
    ['attributes.missing == 1', 'No such key: missing'],
    ['attributes.a', 'the condition is not a boolean'],
  ])('%s: %s', (text, reason) => {
    let thrown: unknown;
    try {
      compiled(text).evaluate(factsOf({ attributes: { a: 'true' } }));
    } catch (failure) {
      thrown = failure;
    }
    expect(evaluationErrorText(thrown)).toBe(reason);
  });

  it('is told in one line', () => {
    expect(evaluationErrorText(new Error('one\ntwo'))).toBe('one');
    expect(evaluationErrorText('text')).toBe('text');
  });
});

it('keeps so many compiled texts and forgets the oldest', () => {
  const textOf = (i: number) => `sub == 'kept ${String(i)}'`;
  const [first, second] = [compiled(textOf(0)), compiled(textOf(1))];
  for (let i = 2; i <= limits.compiledConditions; i++) compiled(textOf(i));
  expect(compiled(textOf(limits.compiledConditions))).toBe(compiled(textOf(limits.compiledConditions)));
  expect(compiled(textOf(0))).not.toBe(first);
  expect(compiled(textOf(1))).not.toBe(second);
});

it('compiles a text once, for each place', () => {
  const text = "sub == 'compiled once'";
  expect(compileCondition(text)).toBe(compileCondition(text));
  expect(compileCondition(text, 'binding')).not.toBe(compileCondition(text));
});
