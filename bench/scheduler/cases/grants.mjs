/**
 * What signatures and policy cost in processor time, with the classes the services use: a grant signed by the scheduler and
 * verified by the receiver, once for each work message; and decisions of the kind a submit asks for, across organisations.
 * Time of this process (user and system), alone, after a warm-up; signing happens on threads and counts too.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { initialiseKeys, loadServiceIdentity, loadVerifier } from '@cogmesh/identity';
import { DecisionEngine, parsePolicySet } from '@cogmesh/policy-core';
import { rounded } from '../figures.mjs';

const ATTEMPTS_PER_MESSAGE = 10;
const MESSAGES = 500;
const DECISIONS = 5_000;
const HOUR_MS = 3_600_000;

/** Milliseconds of processor time per 1,000 calls. */
async function cpuPer1k(count, work) {
  for (let i = 0; i < count / 5; i++) await work(i);
  const before = process.cpuUsage();
  for (let i = 0; i < count; i++) await work(i);
  const { user, system } = process.cpuUsage(before);
  return rounded((user + system) / count);
}

async function grants() {
  const keysDir = await mkdtemp(join(tmpdir(), 'cogmesh-bench-keys-'));
  try {
    await initialiseKeys(keysDir, { hostOrganisation: 'acme' });
    const scheduler = await loadServiceIdentity(keysDir, 'scheduler');
    const receiver = await loadVerifier(keysDir);
    const attempt = (i) => ({
      attemptId: i.toString(16).padStart(32, '0'),
      capability: 'tool:acme/noop',
      inputSha256: '0'.repeat(64),
      blobs: [],
      organisation: 'acme',
    });
    const attempts = Array.from({ length: ATTEMPTS_PER_MESSAGE }, (_, i) => attempt(i));
    const expiresAtMs = Date.now() + HOUR_MS;
    return await cpuPer1k(MESSAGES, async () => {
      const grant = await scheduler.mintTaskGrant({ agent: 'agent_of_the_bench', attempts, expiresAtMs });
      await receiver.verifyTaskGrant(grant);
    });
  } finally {
    await rm(keysDir, { recursive: true, force: true });
  }
}

const everything = {
  id: 'work',
  policy: "role == 'admin'",
  permissions: ['create', 'infer', 'read'],
  resources: ['/**'],
};
const guests = {
  id: 'guests',
  policy: "org_id == 'guest'",
  permissions: ['infer'],
  resources: ['/tools/acme/*'],
};

function decisionEngine() {
  const engine = new DecisionEngine();
  const nowMs = Date.now();
  const grant = {
    id: 'grant-acme-guest',
    grantor: 'acme',
    grantee: 'guest',
    actions: ['infer'],
    resources: ['/tools/acme/*'],
    notBeforeMs: nowMs - 1_000,
    expiresAtMs: nowMs + HOUR_MS,
  };
  const document = (organisation, policies) => parsePolicySet({ organisation, policies });
  engine.replace({ organisation: 'acme', epoch: 1, document: document('acme', [everything, guests]), grants: [grant] });
  engine.replace({ organisation: 'guest', epoch: 1, document: document('guest', [everything]), grants: [] });
  return engine;
}

async function decisions() {
  const engine = decisionEngine();
  const subject = { issuer: 'https://guest.test', sub: 'ada', organisation: 'guest', roles: ['admin'], attributes: {} };
  const request = () => ({
    subject,
    action: 'infer',
    resource: { type: 'tool', id: 'acme/noop' },
    nowMs: Date.now(),
  });
  const { allowed, reason } = engine.decide(request());
  if (!allowed) throw new Error(`the decision denies what it must allow: ${reason}`);
  return cpuPer1k(DECISIONS, () => engine.decide(request()));
}

/** Per 1,000 work messages of ten attempts, and per 1,000 decisions. */
export async function grantsAndPolicy() {
  return {
    grants_ms_per_1k: await grants(),
    policy_ms_per_1k: await decisions(),
    attempts_per_grant: ATTEMPTS_PER_MESSAGE,
  };
}
