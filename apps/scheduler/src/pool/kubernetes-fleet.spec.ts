/** Against a local server that speaks the two endpoints of a scale subresource as the API server does. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KubernetesFleet } from './kubernetes-fleet.js';

const path = '/apis/apps/v1/namespaces/mesh/deployments/worker/scale';
const status = (code: number, message: string) => ({
  kind: 'Status',
  apiVersion: 'v1',
  status: 'Failure',
  code,
  message,
});

let credentials: string;
let server: Server;
let replicas: number;
let calls: { method: string | undefined; token: string | undefined; type: string | undefined }[];
let fleet: KubernetesFleet;

async function bodyOf(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of request) body += String(chunk);
  return body;
}

const scale = () => ({
  kind: 'Scale',
  apiVersion: 'autoscaling/v1',
  metadata: { name: 'worker', namespace: 'mesh' },
  // As Kubernetes does: a zero is left out.
  spec: replicas === 0 ? {} : { replicas },
  status: { replicas, selector: 'app=worker' },
});

beforeEach(async () => {
  credentials = await mkdtemp(join(tmpdir(), 'cogmesh-k8s-'));
  await writeFile(join(credentials, 'token'), 'token-1\n');
  [replicas, calls] = [2, []];
  server = createServer((request, response) => {
    void (async () => {
      const { method, headers, url } = request;
      calls.push({ method, token: headers.authorization, type: headers['content-type'] });
      const answer = (code: number, body: unknown) => {
        response.writeHead(code, { 'content-type': 'application/json' });
        response.end(JSON.stringify(body));
      };
      const body = await bodyOf(request);
      if (!headers.authorization?.startsWith('Bearer token-')) return answer(401, status(401, 'Unauthorized'));
      if (url !== path) return answer(404, status(404, `deployments.apps "${url}" not found`));
      if (method === 'PATCH') {
        if (headers['content-type'] !== 'application/merge-patch+json') return answer(415, status(415, 'no'));
        replicas = (JSON.parse(body) as { spec: { replicas: number } }).spec.replicas;
      }
      answer(200, scale());
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  fleet = open();
});
afterEach(async () => {
  await new Promise((resolve) => server.close(resolve));
  await rm(credentials, { recursive: true, force: true });
});

function open(over: Partial<{ deployment: string; server: string }> = {}): KubernetesFleet {
  const { port } = server.address() as AddressInfo;
  const at = { server: `http://127.0.0.1:${port}`, namespace: 'mesh', deployment: 'worker', credentials };
  return new KubernetesFleet({ ...at, ...over });
}

describe('a Deployment', () => {
  it('is read and scaled by its scale subresource alone', async () => {
    expect(await fleet.count()).toBe(2);
    await fleet.scale(5);
    expect(await fleet.count()).toBe(5);
    await fleet.scale(0);
    expect(await fleet.count()).toBe(0);
    expect(calls.map(({ method }) => method)).toEqual(['GET', 'PATCH', 'GET', 'PATCH', 'GET']);
  });

  it('is asked with the token of now', async () => {
    await fleet.count();
    await writeFile(join(credentials, 'token'), 'token-2');
    await fleet.count();
    expect(calls.map(({ token }) => token)).toEqual(['Bearer token-1', 'Bearer token-2']);
  });

  it('that refuses says why', async () => {
    await expect(open({ deployment: 'other' }).count()).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringMatching(/mesh\/other \(404\): deployments\.apps .* not found/),
    });
    await writeFile(join(credentials, 'token'), 'stolen');
    await expect(fleet.scale(3)).rejects.toMatchObject({ code: 'permission_denied' });
    expect(replicas).toBe(2);
  });

  it('that cannot be reached is unavailable', async () => {
    await expect(open({ server: 'http://127.0.0.1:1' }).count()).rejects.toMatchObject({ code: 'unavailable' });
    await rm(join(credentials, 'token'));
    await expect(fleet.count()).rejects.toThrow();
  });
});
