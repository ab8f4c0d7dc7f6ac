import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { forwardedHeaders, isIdentityHeader, returnedHeaders } from './headers.js';

describe('headers that go on', () => {
  it('are the caller’s own, without hop-by-hop ones and those that Connection lists', () => {
    const headers = {
      ':path': '/a.B/C',
      ':method': 'POST',
      authorization: 'Bearer x',
      te: 'trailers',
      'grpc-timeout': '1S',
      'content-type': 'application/grpc',
      connection: 'keep-alive, X-Secret',
      'keep-alive': '1',
      'x-secret': 'no',
      'x-custom-bin': 'AAEC',
      traceparent: '00-1',
    };
    expect(Object.keys(forwardedHeaders(headers)).sort()).toEqual(
      [':method', ':path', 'authorization', 'content-type', 'grpc-timeout', 'te', 'traceparent', 'x-custom-bin'].sort(),
    );
  });

  it('never say who calls, however the name is spelt', () => {
    const spell = (name: string) =>
      fc
        .record({
          upper: fc.array(fc.boolean(), { minLength: name.length, maxLength: name.length }),
          underscore: fc.boolean(),
          x: fc.constantFrom('', 'x-', 'X_', 'x-x-'),
        })
        .map(({ upper, underscore, x }) => {
          const cased = [...name].map((character, at) => (upper[at] ? character.toUpperCase() : character)).join('');
          return `${x}${underscore ? cased.replaceAll('-', '_') : cased}`;
        });
    const names = [
      'cogmesh-sidecar-proof',
      'cogmesh-subject',
      'forwarded-user',
      'remote-user',
      'client-cert',
      'auth-request-user',
      'envoy-peer',
    ];
    fc.assert(fc.property(fc.oneof(...names.map(spell)), (name) => isIdentityHeader(name)));
  });

  it.each([
    'authorization',
    'grpc-timeout',
    'traceparent',
    'tracestate',
    'te',
    'user-agent',
    'content-type',
    'x-request-id',
  ])('%s is nobody’s identity', (name) => {
    expect(isIdentityHeader(name)).toBe(false);
  });

  it('back to the caller keep our error and the status', () => {
    expect(
      returnedHeaders({ ':status': 200, 'cogmesh-error-bin': 'e30', 'grpc-status': '3', connection: 'close' } as never),
    ).toEqual({
      ':status': 200,
      'cogmesh-error-bin': 'e30',
      'grpc-status': '3',
    });
  });
});
