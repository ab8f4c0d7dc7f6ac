/** Issuers and partner grants on the running service, on each database it supports. */
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { policyGrantsV1, policyIssuersV1 } from '@cogmesh/contracts';
import { signPartnerGrant } from '@cogmesh/identity';
import type { Client } from '@cogmesh/rpc';
import type { HostedService } from '@cogmesh/service';
import { exportJWK, generateKeyPair } from 'jose';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { databasesWith, emptyPostgres } from './databases.js';
import { acmePolicies, asked, PolicyWorld, type PolicyClient } from './policy-fixture.js';

const { IssuerService } = policyIssuersV1;
const { GrantService, PartnerGrant_State: State } = policyGrantsV1;
const day = 86_400_000;
const refused = (code: string, message = '') =>
  expect.objectContaining({ code, message: expect.stringContaining(message) as unknown });
const access = ['/issuers', '/grants'].flatMap((resource) => [
  { action: 'read', resource },
  { action: 'write', resource },
]);

/** Everybody's administrators manage what is theirs; acme lets globex's readers use its models where a grant does. */
const policiesOf = (organisation: string) => [
  ...(organisation === 'acme' ? acmePolicies.policies : []),
  {
    id: 'partners-admins',
    policy: `role == 'admin' && org_id == '${organisation}'`,
    permissions: ['*'],
    resources: ['/**'],
  },
  {
    id: 'models',
    policy: "org_id in ['globex', 'initech'] && role == 'reader'",
    permissions: ['infer', 'create', 'read'],
    resources: ['/models/**', '/runs'],
  },
];

const databases = databasesWith(emptyPostgres());

describe.each(databases)('partners on $database', ({ urlOf }) => {
  let world: PolicyWorld;
  let hosted: HostedService;
  let gateway: PolicyClient;

  beforeEach(async () => {
    world = await PolicyWorld.create(await urlOf());
    await world.write('organisations.json', [{ name: 'acme' }, { name: 'globex' }, { name: 'initech' }]);
    for (const name of ['acme', 'globex', 'initech']) await world.write(`policies/${name}.json`, policiesOf(name));
    hosted = await world.start();
    gateway = await world.as('gateway', hosted);
  });
  afterEach(() => world.close());

  describe('issuers', () => {
    const clientOf = (member: string) => world.memberOf(IssuerService, { member, access, hosted });
    let jwksJson: string;
    beforeAll(async () => {
      const { publicKey } = await generateKeyPair('EdDSA', { extractable: true });
      jwksJson = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'k1' }] });
    });
    const record = (over: object = {}) => ({
      issuer: 'https://login.globex.example',
      organisation: 'globex',
      jwksJson,
      algorithms: ['EdDSA'],
      audience: 'cogmesh',
      allowedRoles: ['reader'],
      maxTtlSeconds: 600,
      ...over,
    });

    it('are registered, told to verifiers with all that was said, suspended, resumed and removed', async () => {
      const globex = await clientOf('globex admin');
      const full = record({
        jwksJson: '',
        jwksUri: 'https://login.globex.example/jwks',
        claimMap: { subject: 'oid', roles: '/realm/roles', roleNames: { R1: 'reader' }, attributes: { team: 'dept' } },
        profile: 'at+jwt',
        dpopRequired: true,
        keyOverlapSeconds: 60,
        tokenTypes: ['at+jwt'],
      });
      await globex.putIssuer({ issuer: full });
      expect((await gateway.getIssuers({})).issuers).toMatchObject([full]);
      await globex.suspendIssuer({ issuer: full.issuer });
      expect((await gateway.getIssuers({})).issuers).toMatchObject([
        { suspended: true, jwksUri: 'https://login.globex.example/jwks' },
      ]);
      await globex.resumeIssuer({ issuer: full.issuer });
      expect((await globex.listIssuers({})).issuers).toMatchObject([{ suspended: false }]);
      await globex.deleteIssuer({ issuer: full.issuer });
      expect((await gateway.getIssuers({})).issuers).toEqual([]);
    });

    it('are replaced by their own organisation and taken by no other', async () => {
      const [globex, initech, host] = [
        await clientOf('globex admin'),
        await clientOf('initech admin'),
        await clientOf('acme admin'),
      ];
      await globex.putIssuer({ issuer: record() });
      await globex.putIssuer({ issuer: record({ maxTtlSeconds: 60 }) });
      expect((await gateway.getIssuers({})).issuers).toMatchObject([{ maxTtlSeconds: 60 }]);
      await expect(initech.putIssuer({ issuer: record({ organisation: 'initech' }) })).rejects.toEqual(
        refused('already_exists', 'another organisation'),
      );
      await expect(initech.putIssuer({ issuer: record() })).rejects.toEqual(refused('permission_denied', 'acme'));
      await expect(initech.deleteIssuer({ issuer: record().issuer })).rejects.toEqual(refused('not_found'));
      await expect(host.putIssuer({ issuer: record({ organisation: 'initech' }) })).rejects.toEqual(
        refused('already_exists'),
      );
      expect((await initech.listIssuers({})).issuers).toEqual([]);
      expect((await host.listIssuers({})).issuers).toHaveLength(1);
      await host.suspendIssuer({ issuer: record().issuer });
    });

    it.each([
      ['without keys', { jwksJson: '' }, 'not JSON'],
      ['with a private key', { jwksJson: '{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AA","d":"AA"}]}' }, 'private key'],
      ['with a shared secret', { jwksJson: '{"keys":[{"kty":"oct","k":"AAAA"}]}' }, 'symmetric'],
      ['that signs with HS256', { algorithms: ['HS256'] }, 'accepts none'],
      ['with keys at plain http', { jwksJson: '', jwksUri: 'http://login.globex.example/jwks' }, 'not https'],
      ['with keys inside our network', { jwksJson: '', jwksUri: 'https://169.254.169.254/jwks' }, 'public internet'],
      ['with keys here and there', { jwksUri: 'https://login.globex.example/jwks' }, 'both'],
      ['whose tokens live for years', { maxTtlSeconds: 10_000_000 }, 'may live'],
      ['without a name', { issuer: '' }, '1 to 512'],
      ['that is the mesh itself', { issuer: 'https://exchange.cogmesh.invalid' }, 'own'],
    ])('are refused %s', async (_what, over, message) => {
      const globex = await clientOf('globex admin');
      await expect(globex.putIssuer({ issuer: record(over) })).rejects.toEqual(refused('invalid_argument', message));
      expect((await gateway.getIssuers({})).issuers).toEqual([]);
    });

    it('need the right, and nobody shuts out the issuer of their own token', async () => {
      const reading = [{ action: 'read', resource: '/issuers' }];
      const reader = await world.memberOf(IssuerService, { member: 'globex admin', access: reading, hosted });
      await expect(reader.putIssuer({ issuer: record() })).rejects.toEqual(refused('permission_denied', 'write'));
      await world.stop(hosted);
      await world.writeBootstrap();
      await world.write('organisations.json', [{ name: 'acme' }, { name: 'globex' }, { name: 'initech' }]);
      hosted = await world.start();
      const admin = await clientOf('acme admin');
      for (const act of ['suspendIssuer', 'deleteIssuer'] as const)
        await expect(admin[act]({ issuer: 'https://dev.cogmesh.invalid' })).rejects.toEqual(
          refused('failed_precondition'),
        );
    });
  });

  describe('grants', () => {
    type Desk = Client<typeof GrantService>;
    let acme: Desk;
    let globex: Desk;
    let initech: Desk;
    const clientOf = (member: string) => world.memberOf(GrantService, { member, access, hosted });
    beforeEach(async () => {
      [acme, globex, initech] = [
        await clientOf('acme admin'),
        await clientOf('globex admin'),
        await clientOf('initech admin'),
      ];
    });

    const terms = (over: object = {}) => ({
      grantee: 'globex',
      actions: ['infer'],
      resources: ['/models/acme/ocr'],
      purpose: 'reading invoices',
      expiresAt: timestampFromMs(Date.now() + day),
      ...over,
    });
    const create = async (over: object = {}, desk: Desk = acme) => {
      const { grant } = await desk.createGrant({ grant: { case: 'terms', value: terms(over) } });
      return grant?.id ?? '';
    };
    const uses = async (who: string, model = 'acme/ocr') => {
      const { allowed, code } = await gateway.decide(asked(who, 'infer', `model:${model}`));
      return allowed ? 'allowed' : code;
    };

    it('give no right until they are accepted, and none after they were revoked', async () => {
      const id = await create();
      expect(await uses('globex reader')).toBe('no_grant');
      await expect(acme.acceptGrant({ id })).rejects.toEqual(refused('permission_denied', 'offered to globex'));
      await globex.acceptGrant({ id });
      expect(await uses('globex reader')).toBe('allowed');
      expect(await uses('globex reader', 'acme/other')).toBe('no_grant');
      expect(await uses('globex nobody')).toBe('no_matching_allow');
      await acme.revokeGrant({ id, reason: 'over' });
      expect(await uses('globex reader')).toBe('no_grant');
      await expect(globex.acceptGrant({ id })).rejects.toEqual(refused('failed_precondition'));
      expect((await globex.listGrants({})).grants).toMatchObject([
        { id, grantor: 'acme', state: State.REVOKED, revokeReason: 'over', terms: { purpose: 'reading invoices' } },
      ]);
      expect((await initech.listGrants({})).grants).toEqual([]);
      await expect(initech.revokeGrant({ id })).rejects.toEqual(refused('not_found'));
    });

    it('outlive a change of policies and a restart, and stay revoked whatever policy set names them', async () => {
      const { grant } = await acme.createGrant({ grant: { case: 'terms', value: terms() } });
      const { id = '', jws = '' } = grant ?? {};
      await globex.acceptGrant({ id });
      const write = [{ action: 'write', resource: '/policies' }];
      const put = async (document: unknown) => {
        const admin = await world.asMember('acme admin', write, hosted);
        await admin.putPolicies({ organisation: 'acme', policySetJson: JSON.stringify(document) });
      };
      await put(policiesOf('acme'));
      expect(await uses('globex reader')).toBe('allowed');
      await globex.revokeGrant({ id });
      await put({ policies: policiesOf('acme'), grants: [jws] });
      expect(await uses('globex reader')).toBe('no_grant');
      await world.stop(hosted);
      hosted = await world.start();
      gateway = await world.as('gateway', hosted);
      expect(await uses('globex reader')).toBe('no_grant');
    });

    it('let through the roles of their ceiling only', async () => {
      await globex.acceptGrant({ id: await create({ roles: { names: ['auditor'] } }) });
      expect(await uses('globex reader')).not.toBe('allowed');
      await globex.acceptGrant({ id: await create({ roles: { names: ['reader'] } }) });
      expect(await uses('globex reader')).toBe('allowed');
    });

    it('are passed on once, within their terms, and end with what they come from', async () => {
      const once = await create({ resources: ['/models/acme/*'], delegations: 1, actions: ['infer', 'read'] });
      const child = (over: object = {}) =>
        terms({ grantee: 'initech', expiresAt: timestampFromMs(Date.now() + day / 2), ...over });
      await expect(globex.delegateGrant({ parentId: once, terms: child() })).rejects.toEqual(
        refused('failed_precondition'),
      );
      await globex.acceptGrant({ id: once });
      for (const [over, what] of [
        [{ actions: ['infer', 'list'] }, 'actions'],
        [{ resources: ['/models/**'] }, 'resources'],
        [{ expiresAt: timestampFromMs(Date.now() + 2 * day) }, 'expires_at'],
        [{ delegations: 1 }, 'no further'],
        [{ grantee: 'globex' }, 'somebody else'],
        [{ grantee: 'acme' }, 'itself'],
      ] as const)
        await expect(globex.delegateGrant({ parentId: once, terms: child(over) })).rejects.toEqual(
          refused('invalid_argument', what),
        );
      const { grant } = await globex.delegateGrant({ parentId: once, terms: child() });
      const { id = '' } = grant ?? {};
      expect(grant).toMatchObject({ grantor: 'acme', parentId: once, delegatedBy: 'globex' });
      await initech.acceptGrant({ id });
      expect(await uses('initech reader')).toBe('allowed');
      await expect(initech.delegateGrant({ parentId: id, terms: child({ grantee: 'globex' }) })).rejects.toEqual(
        refused('failed_precondition', 'not be passed on'),
      );
      await acme.revokeGrant({ id: once });
      expect(await uses('initech reader')).toBe('no_grant');
    });

    it.each([
      ['over 90 days', { expiresAt: timestampFromMs(Date.now() + 91 * day) }, '90 days'],
      ['already over', { expiresAt: timestampFromMs(Date.now() - day) }, 'over already'],
      ['without a purpose', { purpose: ' ' }, 'purpose'],
      ['to oneself', { grantee: 'acme' }, 'itself'],
      ['to nobody', { grantee: 'hooli' }, 'no organisation'],
      ['of nothing', { resources: [] }, 'resources'],
      ['of what is no resource', { resources: ['models'] }, 'resource'],
      ['passed on twice', { delegations: 2 }, 'delegations'],
    ])('are refused %s', async (_what, over, message) => {
      const failure = await create(over).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
      expect(String((failure as Error).message)).toContain(message);
      expect((await acme.listGrants({})).grants).toEqual([]);
    });

    it('may be signed by the organisation itself, and by nobody for another', async () => {
      const request = { grantee: 'globex', actions: ['infer'], resources: ['/models/acme/ocr'], purpose: 'x' };
      const jws = await signPartnerGrant(world.keysDir, { ...request, grantor: 'acme', expiresAtMs: Date.now() + day });
      const { grant } = await acme.createGrant({ grant: { case: 'jws', value: jws } });
      await globex.acceptGrant({ id: grant?.id ?? '' });
      expect(await uses('globex reader')).toBe('allowed');
      await expect(globex.createGrant({ grant: { case: 'jws', value: jws } })).rejects.toEqual(
        refused('permission_denied'),
      );
      await expect(acme.createGrant({ grant: { case: 'jws', value: jws } })).rejects.toEqual(refused('conflict'));
      await expect(initech.createGrant({ grant: { case: 'terms', value: terms() } })).rejects.toEqual(
        refused('failed_precondition', 'sign the grant where it is'),
      );
    });
  });
});
