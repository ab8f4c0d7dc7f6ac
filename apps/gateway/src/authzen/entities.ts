/**
 * Subject, action, resource and context as the Authorization API 1.0 has them, read strictly: what must be there is
 * there, of its type, and not null. Members nobody knows are ignored. Properties stay as they came; who may send which is
 * not this file's business.
 */
import { CogmeshError } from '@cogmesh/errors';
import { isObject, type JsonObject } from './i-json.js';

export interface Entity {
  readonly type: string;
  readonly id: string;
  readonly properties: JsonObject;
}

export interface Action {
  readonly name: string;
  readonly properties: JsonObject;
}

/** Longest type, id or name, characters. */
const nameMaxChars = 1_024;

export const nothing: JsonObject = {};

export function refuse(path: string, code: string, message: string): never {
  throw new CogmeshError('invalid_argument', `${path}: ${message}`, { issues: [{ path, code, message }] });
}

export function readSubject(value: unknown, path = 'subject'): Entity {
  const subject = readEntity(value, path);
  if (subject.id === '') refuse(`${path}.id`, 'empty', 'must not be empty');
  return subject;
}

export const readResource = (value: unknown, path = 'resource'): Entity => readEntity(value, path);

/** What is searched for: its id, if any, says nothing. */
export function readSought(value: unknown, path: 'subject' | 'resource'): Entity {
  const entity = objectAt(value, path);
  return { type: nameAt(entity, 'type', path), id: '', properties: propertiesOf(entity, path) };
}

export function readAction(value: unknown, path = 'action'): Action {
  const action = objectAt(value, path);
  return { name: nameAt(action, 'name', path), properties: propertiesOf(action, path) };
}

export function readContext(value: unknown, path = 'context'): JsonObject {
  return value === undefined ? nothing : objectAt(value, path);
}

export function objectAt(value: unknown, path: string): JsonObject {
  if (value === undefined) refuse(path, 'missing', 'is required');
  if (!isObject(value)) refuse(path, 'invalid_type', 'must be an object');
  return value;
}

function readEntity(value: unknown, path: string): Entity {
  const entity = objectAt(value, path);
  return {
    type: nameAt(entity, 'type', path),
    id: textAt(entity, 'id', path),
    properties: propertiesOf(entity, path),
  };
}

function propertiesOf(entity: JsonObject, path: string): JsonObject {
  return Object.hasOwn(entity, 'properties') ? objectAt(entity['properties'], `${path}.properties`) : nothing;
}

function nameAt(entity: JsonObject, member: string, path: string): string {
  const text = textAt(entity, member, path);
  if (text === '') refuse(`${path}.${member}`, 'empty', 'must not be empty');
  return text;
}

function textAt(entity: JsonObject, member: string, path: string): string {
  const value = Object.hasOwn(entity, member) ? entity[member] : undefined;
  const where = `${path}.${member}`;
  if (value === undefined) refuse(where, 'missing', 'is required');
  if (typeof value !== 'string') refuse(where, 'invalid_type', 'must be a string');
  if (value.length > nameMaxChars) refuse(where, 'too_long', `has more than ${nameMaxChars} characters`);
  return value;
}
