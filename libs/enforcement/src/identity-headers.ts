/**
 * Headers with which a caller could pretend to have been identified, checked or routed by somebody in front: ours, and the usual ones of
 * other proxies, in every spelling. Servers fold names in different ways (`X_User`, `x.user`, `X-USER` all become HTTP_X_USER
 * somewhere), so names are compared by their letters and digits alone.
 */
import { remembered } from './remembered.js';

/** Compared after `plainName`. */
const identityNames = new Set([
  'authorization',
  'forwarded',
  'real-ip',
  'client-ip',
  'true-client-ip',
  'cluster-client-ip',
  'cf-connecting-ip',
  'user',
  'user-id',
  'user-name',
  'username',
  'user-email',
  'user-roles',
  'user-groups',
  'role',
  'roles',
  'groups',
  'scopes',
  'subject',
  'sub',
  'principal',
  'organisation',
  'organization',
  'org-id',
  'tenant',
  'tenant-id',
  'permit',
  'client-cert',
  'client-dn',
  'client-verify',
  'original-url',
  'original-uri',
  'original-path',
  'original-method',
  'original-host',
  'rewrite-url',
  'host-override',
  'http-host-override',
  'http-method',
  'http-method-override',
  'method-override',
]);
const identityPrefixes = [
  'cogmesh-',
  'forwarded-',
  'authenticated-',
  'auth-',
  'envoy-',
  'istio-',
  'remote-',
  'ssl-',
  'jwt-',
  'goog-',
  'amzn-oidc-',
  'ms-client-principal',
  'consumer-',
  'credential-',
  'webauth-',
  'token-',
];

/** `X_User--Id` -> `user-id`. */
function plainName(name: string): string {
  return name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .replace(/^(?:x-)+/, '');
}

/** Whether a header could be taken for a statement about who calls, or what, in whichever spelling. `authorization` itself is none. */
export const isIdentityHeader: (name: string) => boolean = remembered((name) => {
  if (name === 'authorization') return false;
  const plain = plainName(name);
  return identityNames.has(plain) || identityPrefixes.some((prefix) => plain.startsWith(prefix));
});
