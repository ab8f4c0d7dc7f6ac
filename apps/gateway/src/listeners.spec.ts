import { loadConfig } from '@cogmesh/config';
import { describe, expect, it } from 'vitest';
import { gatewayConfig } from './config.js';
import { assertListenersAllowed, isLoopback, parseAddress } from './listeners.js';

const start =
  (environment: Record<string, string>, grpc = 'unix:/run/gateway.sock', mutualTls = false) =>
  () =>
    assertListenersAllowed(loadConfig(gatewayConfig, environment), grpc, mutualTls);

describe('assertListenersAllowed', () => {
  it.each([
    ['the defaults', {}, undefined],
    ['loopback by name', { COGMESH_HTTP_LISTEN: 'localhost:7000' }, undefined],
    [
      'another address with a certificate',
      { COGMESH_HTTP_LISTEN: '0.0.0.0:443', COGMESH_TLS_CERT: 'c', COGMESH_TLS_KEY: 'k' },
      undefined,
    ],
    [
      'another address with TLS in front',
      { COGMESH_HTTP_LISTEN: '[::]:7000', COGMESH_TLS_TERMINATED: '1' },
      '0.0.0.0:7010',
    ],
    ['the development issuer on loopback', { COGMESH_DEV: '1' }, '127.0.0.1:7010'],
  ])('allows %s', (_, environment, grpc) => {
    expect(start(environment as Record<string, string>, grpc)).not.toThrow();
  });

  it.each([
    ['plain text on every address', { COGMESH_HTTP_LISTEN: '0.0.0.0:7000' }, undefined, 'without TLS'],
    ['plain gRPC on every address', {}, '0.0.0.0:7010', 'without TLS'],
    ['a public gRPC face in the open', { COGMESH_PUBLIC_GRPC_LISTEN: '10.0.0.1:7011' }, undefined, 'without TLS'],
    [
      'a name that only sounds like loopback',
      { COGMESH_HTTP_LISTEN: '127.evil.example:7000' },
      undefined,
      'without TLS',
    ],
    ['half a certificate', { COGMESH_TLS_CERT: 'c' }, undefined, 'together'],
    [
      'the development issuer in the open',
      { COGMESH_DEV: '1', COGMESH_HTTP_LISTEN: '0.0.0.0:7000', COGMESH_TLS_TERMINATED: '1' },
      undefined,
      'development issuer',
    ],
    [
      'the development issuer with gRPC in the open',
      { COGMESH_DEV: '1', COGMESH_TLS_TERMINATED: '1' },
      '0.0.0.0:7010',
      'development issuer',
    ],
    ['no port', { COGMESH_HTTP_LISTEN: '127.0.0.1' }, undefined, 'host:port'],
  ])('refuses %s', (_, environment, grpc, sentence) => {
    expect(start(environment as Record<string, string>, grpc)).toThrow(sentence);
  });
});

it('allows gRPC between services in the open under mutual TLS, and only that', () => {
  expect(start({}, '0.0.0.0:7010', true)).not.toThrow();
  expect(start({ COGMESH_HTTP_LISTEN: '0.0.0.0:7000' }, '0.0.0.0:7010', true)).toThrow('0.0.0.0:7000 can be reached');
  expect(start({ COGMESH_PUBLIC_GRPC_LISTEN: '0.0.0.0:7011' }, '0.0.0.0:7010', true)).toThrow('0.0.0.0:7011 can');
});

it('reads both kinds of addresses', () => {
  expect(parseAddress('[::1]:70')).toEqual({ host: '::1', port: 70 });
  expect(isLoopback('[::1]:70')).toBe(true);
  expect(() => parseAddress('127.0.0.1:99999')).toThrow('host:port');
});
