import { stripVTControlCharacters } from 'node:util';
import type { GrantView, IssuerView } from '@cogmesh/sdk';
import { expect, it } from 'vitest';
import { grantsTable } from '../commands/grants.js';
import { issuersTable } from '../commands/issuers.js';

const lines = (text: string) => stripVTControlCharacters(text).split('\n').slice(1);

it('shows where the keys of an issuer are, and that it is suspended', () => {
  const issuer = { issuer: 'https://a', organisation: 'acme', allowedRoles: ['reader', 'admin'], suspended: true };
  const shown = issuersTable([
    issuer,
    { ...issuer, jwksUri: 'https://a/jwks', allowedRoles: [], suspended: false } as IssuerView,
  ]);
  expect(lines(shown)).toEqual([
    expect.stringMatching(/^https:\/\/a +acme +in the record +reader, admin +suspended$/),
    expect.stringMatching(/^https:\/\/a +acme +https:\/\/a\/jwks +– *$/),
  ]);
});

it('shows who gave a grant, and who passed it on', () => {
  const grant = {
    id: 'g',
    grantor: 'acme',
    grantee: 'globex',
    actions: ['infer'],
    resources: ['/models/acme/*'],
    expiresAt: 'T',
  };
  const shown = grantsTable([
    { ...grant, delegatedBy: null, state: 'offered' },
    { ...grant, delegatedBy: 'hooli', state: 'accepted' },
  ] as unknown as GrantView[]);
  expect(lines(shown)).toEqual([
    expect.stringMatching(/^g +acme +globex +infer +\/models\/acme\/\* +T +offered$/),
    expect.stringMatching(/^g +acme by hooli +globex .* accepted$/),
  ]);
});
