/** A real Envoy in front of a service of somebody else's, which asks a running sidecar about every request. */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { connect, type AddressInfo } from 'node:net';
import { addIssuerKey, developmentIssuerRecord, mintDevelopmentToken } from '@cogmesh/identity';
import { findEnvoy, startEnvoy, type TestEnvoy } from '@cogmesh/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SidecarWorld } from './sidecar-world.js';

const program = await findEnvoy();
const filter = 'envoy.filters.http.ext_authz';
const typeOf = (name: string) => `type.googleapis.com/envoy.extensions.${name}`;

/** A listener whose requests are asked about; `asking` is the part of ext_authz that differs. */
function listener(name: string, asking: object): object {
  const route = (match: object, extensions?: Record<string, string>) => ({
    match,
    route: { cluster: 'echo' },
    request_headers_to_add: [{ header: { key: 'x-seen-resource', value: `%DYNAMIC_METADATA(${filter}:resource)%` } }],
    ...(extensions && {
      typed_per_filter_config: {
        [filter]: {
          '@type': typeOf('filters.http.ext_authz.v3.ExtAuthzPerRoute'),
          check_settings: { context_extensions: extensions },
        },
      },
    }),
  });
  const authorization = {
    '@type': typeOf('filters.http.ext_authz.v3.ExtAuthz'),
    transport_api_version: 'V3',
    grpc_service: { envoy_grpc: { cluster_name: 'sidecar' }, timeout: '5s' },
    ...asking,
  };
  const manager = {
    '@type': typeOf('filters.network.http_connection_manager.v3.HttpConnectionManager'),
    stat_prefix: name,
    codec_type: 'AUTO',
    route_config: {
      virtual_hosts: [
        {
          name: 'any',
          domains: ['*'],
          routes: [
            route({ path: '/search' }, { 'cogmesh.action': 'read', 'cogmesh.resource': '/api/v1/reports/all' }),
            route({ path: '/odd' }, { 'cogmesh.resource': '/api/../admin' }),
            route({ prefix: '/' }),
          ],
        },
      ],
    },
    http_filters: [
      { name: filter, typed_config: authorization },
      { name: 'router', typed_config: { '@type': typeOf('filters.http.router.v3.Router') } },
    ],
  };
  return {
    name,
    address: { socket_address: { address: '127.0.0.1', port_value: 0 } },
    filter_chains: [{ filters: [{ name: 'http', typed_config: manager }] }],
  };
}

function cluster(name: string, address: string, http2 = false): object {
  const [host = '', port] = address.split(':');
  const endpoint = { address: { socket_address: { address: host, port_value: Number(port) } } };
  return {
    name,
    type: 'STATIC',
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint }] }] },
    ...(http2 && {
      typed_extension_protocol_options: {
        'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
          '@type': typeOf('upstreams.http.v3.HttpProtocolOptions'),
          explicit_http_config: { http2_protocol_options: {} },
        },
      },
    }),
  };
}

interface Echo {
  readonly headers: Record<string, string>;
  readonly url: string;
  readonly bytes: number;
}

/** Tells what reached it. */
async function echo(request: IncomingMessage): Promise<string> {
  let bytes = 0;
  for await (const chunk of request) bytes += (chunk as Buffer).length;
  return JSON.stringify({ headers: request.headers, url: request.url, bytes });
}

describe.runIf(program !== undefined)('behind a real Envoy', () => {
  let world: SidecarWorld;
  let upstream: Server;
  let envoy: TestEnvoy;
  let token: string;
  let reached = 0;

  beforeAll(async () => {
    world = await SidecarWorld.open({}, async ({ dir, bundles }) => {
      await addIssuerKey(`${dir}/keys`, 'development', { organisation: 'acme' });
      bundles.issuers = [await developmentIssuerRecord(`${dir}/keys`, { allowedRoles: ['reader'] })];
      bundles.policies = {
        policies: [
          { policy: "role == 'reader'", permissions: ['read'], resources: ['/api/v1/reports/*'] },
          { policy: "role == 'reader'", permissions: ['create'], resources: ['/pets.Store/Buy'] },
        ],
      };
    });
    token = await mintDevelopmentToken(`${world.dir}/keys`, { sub: 'ann', roles: ['reader'], ttlSeconds: 600 });
    upstream = createServer((request, response) => {
      reached += 1;
      void echo(request).then((text) => response.end(text));
    });
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
    const { port } = upstream.address() as AddressInfo;
    const body = { max_request_bytes: 16, allow_partial_message: true, pack_as_bytes: true };
    envoy = await startEnvoy(program ?? '', {
      listeners: [
        listener('plain', {}),
        listener('raw', { encode_raw_headers: true, with_request_body: body }),
        listener('open', { failure_mode_allow: true }),
      ],
      clusters: [cluster('sidecar', world.address, true), cluster('echo', `127.0.0.1:${port}`)],
    });
  });
  afterAll(async () => {
    await envoy?.stop();
    upstream?.close();
    await world?.close();
  });

  const kinds = ['plain', 'raw', 'open'] as const;
  type Kind = (typeof kinds)[number];
  const ask = (kind: Kind, path: string, { headers = {}, ...rest }: RequestInit = {}) =>
    fetch(`http://${envoy.addressOf(kind)}${path}`, {
      ...rest,
      headers: { authorization: `Bearer ${token}`, ...headers },
    });

  /** A request in bytes, for what no client sends. */
  function say(kind: Kind, lines: readonly string[]): Promise<string> {
    const [host = '', port] = envoy.addressOf(kind).split(':');
    const text = [...lines, `authorization: Bearer ${token}`, 'connection: close', '', ''].join('\r\n');
    return new Promise((resolve) => {
      const socket = connect(Number(port), host, () => socket.write(text, 'latin1'));
      let heard = '';
      socket.on('data', (chunk) => (heard += chunk.toString('latin1')));
      socket.once('close', () => resolve(heard));
      socket.on('error', () => undefined);
    });
  }

  describe.each(kinds)('asked as %s', (kind) => {
    it('what policy allows reaches the service, with who calls and nothing that the caller says of it', async () => {
      const brought = {
        'x-cogmesh-subject': 'root',
        'x-cogmesh-role': 'admin',
        'x-forwarded-user': 'root',
        'x-original-url': '/admin',
        accept: 'text/plain',
      };
      const response = await ask(kind, '/api/v1/reports/7?page=2', { headers: brought });
      expect(response.status).toBe(200);
      const { headers, url } = (await response.json()) as Echo;
      expect(url).toBe('/api/v1/reports/7?page=2');
      expect(headers).toMatchObject({
        'x-cogmesh-subject': 'ann',
        'x-cogmesh-organisation': 'acme',
        'x-cogmesh-roles': 'reader',
        'x-seen-resource': '/api/v1/reports/7',
        accept: 'text/plain',
      });
      for (const name of ['x-cogmesh-role', 'x-forwarded-user', 'x-original-url'])
        expect(headers).not.toHaveProperty(name);
    });

    it('a route may be about something else than its path, and its body goes through', async () => {
      const response = await ask(kind, '/search', { method: 'POST', body: 'x'.repeat(5_000) });
      expect(response.status).toBe(200);
      const { headers, bytes } = (await response.json()) as Echo;
      expect(bytes).toBe(5_000);
      expect(headers['x-seen-resource']).toBe('/api/v1/reports/all');
    });

    it.each<[string, string, RequestInit, number]>([
      ['no policy allows it', '/api/v1/admin', {}, 403],
      ['no policy allows the verb', '/api/v1/reports/7', { method: 'DELETE' }, 403],
      ['the token is none', '/api/v1/reports/7', { headers: { authorization: 'Bearer a.b.c' } }, 401],
      ['the route says what nobody understands', '/odd', {}, 500],
    ])('where %s the caller is told, and the service nothing', async (_why, path, init, status) => {
      const before = reached;
      const response = await ask(kind, path, init);
      expect(response.status).toBe(status);
      expect(response.headers.get('content-type')).toBe('application/problem+json');
      expect(await response.json()).toMatchObject({ status });
      if (status === 401) expect(response.headers.get('www-authenticate')).toContain('invalid_token');
      expect(reached).toBe(before);
    });

    it.each([
      '/api/v1/reports/../admin',
      '/api/v1/reports/%2e%2e/admin',
      '/api/v1/reports%2f7',
      '//api/v1/reports/7',
      '/api/v1/reports/7/',
      '/api/v1/reports/7;x=1',
      '/api/v1/reports\\7',
    ])('the path %s does not get through', async (path) => {
      const before = reached;
      const heard = await say(kind, [`GET ${path} HTTP/1.1`, 'host: reports.example']);
      expect(heard).toMatch(/^HTTP\/1\.1 400 /);
      expect(reached).toBe(before);
    });

    it('two tokens do not get through', async () => {
      const heard = await say(kind, ['GET /api/v1/reports/7 HTTP/1.1', 'host: a', `authorization: Bearer ${token}`]);
      expect(heard).toMatch(/^HTTP\/1\.1 40[01] /);
    });

    it('a gRPC caller hears it in its own way', async () => {
      const call = async (path: string, authorization?: string) => {
        const session = connectHttp2(`http://${envoy.addressOf(kind)}`);
        try {
          const stream = session.request({
            ':method': 'POST',
            ':path': path,
            'content-type': 'application/grpc',
            te: 'trailers',
            ...(authorization && { authorization }),
          });
          stream.end().resume();
          return await new Promise<unknown>((resolve, reject) => {
            stream.once('response', (headers) => resolve(headers['grpc-status'] ?? headers[':status']));
            stream.once('error', reject);
          });
        } finally {
          session.close();
        }
      };
      expect(await call('/pets.Store/Buy')).toBe('16');
      expect(await call('/pets.Store/Sell', `Bearer ${token}`)).toBe('7');
      expect(await call('/pets.Store/Buy', `Bearer ${token}`)).toBe(200);
    });
  });

  it('nothing passes while policies are stale, even where Envoy would let errors pass', async () => {
    world.bundles.answers = false;
    const statusOf = async (kind: Kind) => (await ask(kind, '/api/v1/reports/7')).status;
    for (const kind of kinds) await expect.poll(() => statusOf(kind), { timeout: 10_000 }).toBe(503);
    const before = reached;
    const response = await ask('open', '/api/v1/reports/7');
    expect(response.headers.get('retry-after')).toBe('1');
    expect(await response.json()).toMatchObject({ code: 'stale_policy' });
    expect(reached).toBe(before);
    world.bundles.answers = true;
    for (const kind of kinds) await expect.poll(() => statusOf(kind), { timeout: 10_000 }).toBe(200);
  });
});
