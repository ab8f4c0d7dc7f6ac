import { describe, expect, it } from 'vitest';
import { AllowedProperties } from './allowed-properties.js';

describe('properties that are allowed', () => {
  const allowed = new AllowedProperties('subject.team, context.a.b,acme/subject.clearance ,, globex/context.hour');
  const sent = { team: 'a', clearance: 3, hour: 9, 'a.b': 1, organisation: 'globex', other: true };

  it('are those of everybody and those of the organisation', () => {
    expect(allowed.of('acme').pick('subject', sent)).toEqual({ team: 'a', clearance: 3 });
    expect(allowed.of('globex').pick('subject', sent)).toEqual({ team: 'a' });
    expect(allowed.of('globex').pick('context', sent)).toEqual({ hour: 9, 'a.b': 1 });
    expect(allowed.of('acme').pick('resource', sent)).toEqual({});
  });

  it('are none by default, and null is absent', () => {
    expect(new AllowedProperties('').of('acme').pick('subject', sent)).toEqual({});
    expect(allowed.of('acme').pick('subject', { team: null })).toEqual({});
  });

  it('come over without touching a prototype', () => {
    const picked = new AllowedProperties('context.__proto__')
      .of('acme')
      .pick('context', JSON.parse('{"__proto__":{"x":1}}') as object as Record<string, unknown>);
    expect(Object.getPrototypeOf(picked)).toBe(Object.prototype);
    expect(Object.keys(picked)).toEqual(['__proto__']);
  });

  it('are all of a kind with a star, but for roles and what is not a caller’s to say', () => {
    const all = new AllowedProperties('subject.*, acme/context.*');
    const said = { team: 'a', roles: ['admin'], sub: 'root', iss: 'x', org: 'x', type: 'x', action: {}, none: null };
    expect(all.of('globex').pick('subject', said)).toEqual({ team: 'a', action: {} });
    expect(all.of('globex').pick('context', said)).toEqual({});
    expect(Object.keys(all.of('acme').pick('context', said))).toEqual(['team', 'roles', 'sub', 'iss', 'org', 'type']);
    expect(new AllowedProperties('subject.*, subject.roles').of('acme').pick('subject', said)).toMatchObject({
      roles: ['admin'],
    });
  });

  it.each(['subject', 'planet.x', 'subject.', 'a b/subject.x', 'subject.x y'])('refuse to start with %s', (list) => {
    expect(() => new AllowedProperties(list)).toThrow('COGMESH_AUTHZEN_PROPERTIES');
  });

  it.each(['subject.organisation', 'acme/subject.issuer', 'subject.sub', 'subject.org_id', 'context.action'])(
    'never include %s',
    (list) => expect(() => new AllowedProperties(list)).toThrow('not a caller'),
  );
});
