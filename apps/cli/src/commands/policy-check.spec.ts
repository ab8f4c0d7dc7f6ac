import { describe, expect, it } from 'vitest';
import { resourceNamed, subjectNamed } from '../entity-names.js';
import { propertiesOf } from './policy-check.js';

describe('names of entities', () => {
  it.each([
    ['/models/acme/x', { type: 'model', id: 'acme/x' }],
    ['/runs', { type: 'run', id: '' }],
    ['/api/v1/reports', { type: 'path', id: '/api/v1/reports' }],
    ['/constructor/x', { type: 'path', id: '/constructor/x' }],
    ['record:101', { type: 'record', id: '101' }],
    ['doc:a:b', { type: 'doc', id: 'a:b' }],
  ])('%s', (text, entity) => expect(resourceNamed(text)).toEqual(entity));

  it('take a name alone for a user and for no resource', () => {
    expect(subjectNamed('alice')).toEqual({ type: 'user', id: 'alice' });
    expect(subjectNamed('robot:r2')).toEqual({ type: 'robot', id: 'r2' });
    expect(() => resourceNamed('reports')).toThrow('a resource is a path');
  });
});

describe('--property', () => {
  it('takes JSON, or else text', () => {
    const texts = [
      'context.hour=9',
      'context.tags=["a"]',
      'subject.department=Sales',
      'resource.note=a=b',
      'action.x=',
    ];
    expect(propertiesOf(texts)).toEqual({
      context: { hour: 9, tags: ['a'] },
      subject: { department: 'Sales' },
      resource: { note: 'a=b' },
      action: { x: '' },
    });
  });

  it.each(['hour=9', 'planet.hour=9', 'context.hour', 'context.=9'])('refuses %s', (text) => {
    expect(() => propertiesOf([text])).toThrow('--property is');
  });
});
