import fc from 'fast-check';
import { expect, it } from 'vitest';
import { isIdentityHeader } from './identity-headers.js';

const spell = (name: string) =>
  fc
    .record({
      upper: fc.array(fc.boolean(), { minLength: name.length, maxLength: name.length }),
      separator: fc.constantFrom('-', '_', '.', '--', '-_', '%', '!', '~'),
      before: fc.constantFrom('', 'x-', 'X_', 'x-x-', '-', '_x.'),
      after: fc.constantFrom('', '-', '_', '.'),
    })
    .map(({ upper, separator, before, after }) => {
      const cased = [...name].map((character, at) => (upper[at] ? character.toUpperCase() : character)).join('');
      return `${before}${cased.replaceAll('-', separator)}${after}`;
    });

it('knows what says who calls, however the name is spelt', () => {
  const names = [
    'cogmesh-sidecar-proof',
    'cogmesh-subject',
    'forwarded-user',
    'forwarded',
    'remote-user',
    'client-cert',
    'auth-request-user',
    'envoy-peer',
    'goog-authenticated-user-email',
    'amzn-oidc-identity',
    'ms-client-principal-name',
    'http-method-override',
    'original-url',
  ];
  fc.assert(fc.property(fc.oneof(...names.map(spell)), (name) => isIdentityHeader(name)));
});

it.each(['x-authorization', 'authorization_', 'Authorization-', 'X.Authorization', 'authorization '])(
  '"%s" is not the authorization header, and could be taken for it',
  (name) => {
    expect(isIdentityHeader(name)).toBe(true);
  },
);

it.each([
  'authorization',
  'dpop',
  'grpc-timeout',
  'traceparent',
  'tracestate',
  'te',
  'user-agent',
  'content-type',
  'accept-language',
  'idempotency-key',
  'x-request-id',
  'cookie',
])('%s is nobody’s identity', (name) => {
  expect(isIdentityHeader(name)).toBe(false);
});
