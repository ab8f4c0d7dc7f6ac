/** Three requests that must be refused, and how they were. */
import { createPrivateKey, sign } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mintDevelopmentToken } from '@cogmesh/identity';
import type { DataDirectory } from '@cogmesh/mesh';
import { type BlobReference, CogmeshClient, CogmeshError } from '@cogmesh/sdk';
import { listenIn, readInvoice } from './document.js';
import { partner } from './prepare.js';

export interface Refusal {
  readonly case: string;
  /** HTTP status; 200 when it was not refused. */
  readonly status: number;
  readonly code: string;
  readonly reason: string;
}

interface Case {
  readonly name: string;
  readonly token: () => Promise<string>;
  readonly submit: (client: CogmeshClient) => Promise<unknown>;
}

export async function tryRefusals(baseUrl: string, directory: DataDirectory, image: BlobReference): Promise<Refusal[]> {
  const refusals: Refusal[] = [];
  for (const each of casesOf(directory, image)) {
    const client = new CogmeshClient({ baseUrl, token: await each.token() });
    refusals.push(await outcome(each.name, () => each.submit(client)));
  }
  return refusals;
}

/** Whether each was refused with the status it should have. */
export function allRefused(refusals: readonly Refusal[]): boolean {
  const expected: Record<string, number> = {
    'partner without the role': 403,
    'partner key claiming the host issuer': 401,
    'model denied by policy': 403,
  };
  return Object.entries(expected).every(([name, status]) =>
    refusals.some((refusal) => refusal.case === name && refusal.status === status),
  );
}

function casesOf({ keysDir }: DataDirectory, image: BlobReference): Case[] {
  const tokenOf = (role: string) => () =>
    mintDevelopmentToken(keysDir, { sub: `demo-${role}`, roles: [role], ttlSeconds: 300, issuerName: partner });
  return [
    {
      name: 'partner without the role',
      token: tokenOf('viewer'),
      submit: (client) => client.submitRun(readInvoice(image)),
    },
    {
      name: 'partner key claiming the host issuer',
      token: () => forgeHostToken(keysDir),
      submit: (client) => client.submitRun(readInvoice(image)),
    },
    { name: 'model denied by policy', token: tokenOf('reader'), submit: (client) => client.submitRun(listenIn()) },
  ];
}

async function outcome(name: string, submit: () => Promise<unknown>): Promise<Refusal> {
  try {
    await submit();
    return { case: name, status: 202, code: 'accepted', reason: 'it was NOT refused' };
  } catch (thrown) {
    if (!(thrown instanceof CogmeshError)) throw thrown;
    const status = Number(thrown.details['status'] ?? 0);
    return { case: name, status, code: thrown.code, reason: thrown.message };
  }
}

/** What an attacker at the partner could do: sign with its own key, but name the host's issuer. */
async function forgeHostToken(keysDir: string): Promise<string> {
  const key = JSON.parse(await readFile(join(keysDir, 'issuers', `${partner}.jwk`), 'utf8')) as Record<string, string>;
  const honest = await mintDevelopmentToken(keysDir, { sub: 'mallory', roles: ['admin'], ttlSeconds: 300 });
  const [, payload = ''] = honest.split('.');
  const header = Buffer.from(JSON.stringify({ alg: 'EdDSA', typ: 'at+jwt', kid: key['kid'] })).toString('base64url');
  const signature = sign(null, Buffer.from(`${header}.${payload}`), createPrivateKey({ key, format: 'jwk' }));
  return `${header}.${payload}.${signature.toString('base64url')}`;
}
