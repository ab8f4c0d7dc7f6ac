import { DecisionEngine, parsePolicySet } from '@cogmesh/policy-core';
import type { Access, Authenticate, OutsideSubject } from '@cogmesh/rpc';
import { CogmeshError } from '@cogmesh/errors';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  createBehindSidecar,
  createEnforcer,
  createSidecarProof,
  localPolicySource,
  PermitVerifier,
  sidecarProofHeader,
  type PolicySource,
} from '../src/index.js';
import { codeOf, makeWorld, type World } from './world.js';

const submit = '/cogmesh.scheduler.v1.SchedulerService/SubmitRun';
const getRun = '/cogmesh.scheduler.v1.SchedulerService/GetRun';
const renew = '/cogmesh.scheduler.v1.SchedulerService/RenewLeases';

let world: World;
let engine: DecisionEngine;
let enforce: Authenticate;

beforeAll(async () => {
  world = await makeWorld();
});
afterAll(() => world.remove());

function install(policies: unknown[], epoch: number): void {
  engine.replace({ organisation: 'acme', epoch, document: parsePolicySet({ policies }), grants: [] });
}

function enforcer(source: PolicySource = localPolicySource(engine), now?: () => number): Authenticate {
  const { verifier } = world.identities.scheduler;
  return createEnforcer({ service: 'scheduler', verifier, source, decisionCacheEntries: 100, ...(now ? { now } : {}) });
}

beforeEach(() => {
  engine = new DecisionEngine();
  install(
    [{ id: 'analysts', policy: "role == 'analyst'", permissions: ['create', 'read'], resources: ['/runs', '/runs/*'] }],
    1,
  );
  enforce = enforcer();
});

const subject: OutsideSubject = {
  issuer: 'https://a',
  sub: 'ann',
  organisation: 'acme',
  roles: ['analyst'],
  tokenId: '',
  attributes: {},
};

interface PermitParts {
  readonly audience?: string;
  readonly method?: string;
  readonly access?: readonly Access[];
  readonly roles?: readonly string[];
  readonly organisation?: string;
}

function permit(parts: PermitParts = {}): Promise<string> {
  return world.identities.gateway.mintPermit({
    audience: parts.audience ?? 'scheduler',
    method: parts.method ?? submit,
    access: parts.access ?? [{ action: 'create', resource: '/runs' }],
    subject: { ...subject, roles: parts.roles ?? subject.roles, organisation: parts.organisation ?? 'acme' },
  });
}

const call = (method: string, token?: string) => ({
  method,
  metadata: new Map(token === undefined ? [] : [['authorization', `Bearer ${token}`]]),
});

describe('a call is refused', () => {
  const cases: readonly [string, () => Promise<{ method: string; metadata: Map<string, string> }>, string][] = [
    ['without a token', async () => call(submit), 'unauthenticated'],
    [
      'with basic credentials',
      async () => ({ method: submit, metadata: new Map([['authorization', 'Basic YTpi']]) }),
      'unauthenticated',
    ],
    [
      'with a token of another type',
      async () =>
        call(
          submit,
          await world.identities.scheduler.mintTaskGrant({
            agent: 'a',
            expiresAtMs: Date.now() + 60_000,
            attempts: [{ attemptId: 'x', capability: 'script', inputSha256: '', blobs: [], organisation: 'acme' }],
          }),
        ),
      'invalid_token',
    ],
    ['with a permit for another method', async () => call(getRun, await permit()), 'invalid_permit'],
    [
      'with a permit for another service',
      async () => call(submit, await permit({ audience: 'registry' })),
      'invalid_permit',
    ],
    ['with a permit that names no right', async () => call(submit, await permit({ access: [] })), 'invalid_permit'],
    ['without the role', async () => call(submit, await permit({ roles: ['guest'] })), 'permission_denied'],
    [
      'on what no rule allows',
      async () =>
        call(
          submit,
          await permit({
            access: [
              { action: 'create', resource: '/runs' },
              { action: 'infer', resource: '/models/acme/x' },
            ],
          }),
        ),
      'permission_denied',
    ],
    [
      'of an organisation that is unknown',
      async () => call(submit, await permit({ organisation: 'globex' })),
      'permission_denied',
    ],
    [
      'on a resource that is not canonical',
      async () => call(submit, await permit({ access: [{ action: 'read', resource: '/runs/../agents' }] })),
      'invalid_argument',
    ],
    [
      "by a service on a person's method",
      async () => call(submit, await world.identities.gateway.serviceToken('scheduler')),
      'permission_denied',
    ],
    [
      'by a service that is not in the table',
      async () => call(renew, await world.identities.worker.serviceToken('scheduler')),
      'permission_denied',
    ],
    [
      "with a service's token for another service",
      async () => call(renew, await world.identities.registry.serviceToken('policy')),
      'invalid_token',
    ],
    ['whose path has no leading slash', async () => call(submit.slice(1), await permit()), 'invalid_argument'],
    ['whose path has two slashes', async () => call(`/${submit}`, await permit()), 'invalid_argument'],
    [
      'whose path is escaped',
      async () => call(submit.replace('SubmitRun', 'Submit%52un'), await permit()),
      'invalid_argument',
    ],
    [
      'whose path is a property of every object',
      async () => call('/constructor/toString', await world.identities.gateway.serviceToken('scheduler')),
      'permission_denied',
    ],
  ];
  it.each(cases)('%s', async (_name, make, code) => {
    const attempted = await make();
    expect(await codeOf(() => enforce(attempted))).toBe(code);
  });

  it('when the permit was used before, also at the same moment', async () => {
    const token = await permit();
    const codes = await Promise.all([
      codeOf(() => enforce(call(submit, token))),
      codeOf(() => enforce(call(submit, token))),
    ]);
    expect(codes.sort()).toEqual(['accepted', 'replayed_permit']);
  });

  it('when a permit that changes something is older than this enforcement point', async () => {
    const token = await permit();
    const restarted = enforcer(localPolicySource(engine), () => Date.now() + 5);
    expect(await codeOf(() => restarted(call(submit, token)))).toBe('replayed_permit');
    const reading = await permit({ method: getRun, access: [{ action: 'read', resource: '/runs/run_1' }] });
    expect(await codeOf(() => enforcer(localPolicySource(engine), () => Date.now() + 5)(call(getRun, reading)))).toBe(
      'accepted',
    );
  });

  it('when policies are stale, and the permit may still be used once they are fresh', async () => {
    let stale = true;
    const source: PolicySource = {
      ...localPolicySource(engine),
      assertFresh: () => {
        if (stale) throw new CogmeshError('stale_policy', 'too old');
      },
    };
    const strict = enforcer(source);
    const token = await permit();
    expect(await codeOf(() => strict(call(submit, token)))).toBe('stale_policy');
    expect(
      await codeOf(async () => strict(call(renew, await world.identities.registry.serviceToken('scheduler')))),
    ).toBe('accepted');
    stale = false;
    expect(await codeOf(() => strict(call(submit, token)))).toBe('accepted');
  });

  it('as soon as the policies change, although it was cached', async () => {
    const access = [{ action: 'read', resource: '/runs/run_1' }];
    const token = await permit({ method: getRun, access });
    expect(await codeOf(() => enforce(call(getRun, token)))).toBe('accepted');
    expect(await codeOf(() => enforce(call(getRun, token)))).toBe('accepted');
    install([{ permissions: ['read'], resources: ['/agents'] }], 2);
    expect(await codeOf(() => enforce(call(getRun, token)))).toBe('permission_denied');
  });

  it('with the rule, the decision code and the resource as evidence', async () => {
    install(
      [
        { permissions: ['*'], resources: ['/**'] },
        { id: 'no-runs', permissions: ['create'], resources: ['/runs'], effect: 'deny' },
      ],
      3,
    );
    const token = await permit();
    await expect(enforce(call(submit, token))).rejects.toMatchObject({
      code: 'permission_denied',
      details: { decision: 'denied_by_rule', rules: ['no-runs'], resource: '/runs', epoch: 3 },
    });
  });
});

describe('a call passes', () => {
  it('with a good permit, and says who it is', async () => {
    expect(await enforce(call(submit, await permit()))).toMatchObject({
      kind: 'subject',
      subject,
      access: [{ action: 'create', resource: '/runs' }],
    });
  });

  it('by a service in the table, and anonymously where everybody may', async () => {
    const token = await world.identities.registry.serviceToken('scheduler');
    expect(await enforce(call(renew, token))).toEqual({ kind: 'service', service: 'registry' });
    expect(await enforce(call('/grpc.health.v1.Health/Check'))).toEqual({ kind: 'anonymous' });
  });
});

describe('used permits', () => {
  it('are bounded: beyond the limit changing calls are refused until old ones expire', async () => {
    let now = Date.now();
    const permits = new PermitVerifier({
      verifier: world.identities.scheduler.verifier,
      audience: 'scheduler',
      now: () => now,
      maxUsedPermits: 2,
    });
    const verified = await Promise.all(Array.from({ length: 3 }, async () => permits.verify(await permit(), submit)));
    const later = verified.map((claims) => ({ ...claims, issuedAtMs: now + 1 }));
    permits.use(later[0]!);
    permits.use(later[1]!);
    expect(await codeOf(() => permits.use(later[2]!))).toBe('overloaded');
    now += 120_000;
    expect(await codeOf(() => permits.use(later[2]!))).toBe('accepted');
  });
});

describe('behind a sidecar', () => {
  const secret = Buffer.alloc(32, 7);
  let now = 1_700_000_000_000;
  const behind = (): Authenticate =>
    createBehindSidecar({
      service: 'scheduler',
      secret,
      verifier: world.identities.scheduler.verifier,
      now: () => now,
    });
  const proven = (method: string, token: string, proof: string) => ({
    method,
    metadata: new Map([
      ['authorization', `Bearer ${token}`],
      [sidecarProofHeader, proof],
    ]),
  });

  it('a good permit without proof is a direct call; so are other proofs', async () => {
    const token = await permit();
    const make = createSidecarProof(secret, () => now);
    const authorization = `Bearer ${token}`;
    expect(await codeOf(() => behind()(call(submit, token)))).toBe('direct_call');
    const forged = [
      createSidecarProof(Buffer.alloc(32, 8), () => now)({ method: submit, authorization }),
      make({ method: getRun, authorization }),
      make({ method: submit, authorization: 'Bearer other' }),
      make({ method: submit, authorization }).slice(0, -1),
      'v1.1.AAAA',
      '',
    ];
    for (const proof of forged) expect(await codeOf(() => behind()(proven(submit, token, proof)))).toBe('direct_call');
    const good = make({ method: submit, authorization });
    expect(await behind()(proven(submit, token, good))).toMatchObject({ kind: 'subject', subject });
    now += 30_001;
    expect(await codeOf(() => behind()(proven(submit, token, good)))).toBe('direct_call');
  });

  it('even the agents stream needs the proof, and a proof is no permit', async () => {
    const connect = '/cogmesh.registry.v1.AgentService/Connect';
    expect(await codeOf(() => behind()(call(connect)))).toBe('direct_call');
    const proof = createSidecarProof(secret, () => now)({ method: submit, authorization: 'Bearer x.y.z' });
    expect(await codeOf(() => behind()(proven(submit, 'x.y.z', proof)))).toBe('invalid_token');
  });
});
