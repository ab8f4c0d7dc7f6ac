import { defineConfig, flag, integer, setting, text, type ConfigOf } from '@cogmesh/config';

const milliseconds = (fallback: number, bounds: { min?: number; max?: number } = {}) =>
  integer({ min: bounds.min ?? 100, max: bounds.max ?? 86_400_000, default: fallback });

/** The gateway's own settings. Ports of its neighbours are every service's settings. */
export const gatewayConfig = defineConfig('gateway', {
  httpListen: setting(
    'COGMESH_HTTP_LISTEN',
    text('127.0.0.1:7000'),
    '`host:port` of the public REST API. Anything but loopback needs a certificate or COGMESH_TLS_TERMINATED=1.',
  ),
  publicGrpcListen: setting(
    'COGMESH_PUBLIC_GRPC_LISTEN',
    text(''),
    '`host:port` of one more listener that serves only the public gRPC face; empty means it is reached on COGMESH_LISTEN.',
  ),
  tlsCert: setting('COGMESH_TLS_CERT', text(''), 'File with the certificate chain (PEM) of the REST listener.'),
  tlsKey: setting('COGMESH_TLS_KEY', text(''), 'File with the private key (PEM) of that certificate.'),
  tlsTerminated: setting(
    'COGMESH_TLS_TERMINATED',
    flag(false),
    'Set when something in front ends TLS, so that plain text may be served on other addresses than loopback.',
  ),
  dev: setting('COGMESH_DEV', flag(false), 'The development issuer is accepted; then every listener must be loopback.'),
  traceStore: setting(
    'COGMESH_TRACE_STORE',
    text(''),
    'File of the embedded trace store that `GET /v1/runs/{id}/trace` reads; empty means none.',
  ),
  jsonBodyBytes: setting(
    'COGMESH_JSON_BODY_BYTES',
    integer({ min: 1_024, max: 16 * 1024 * 1024, default: 1024 * 1024 }),
    'Largest JSON body of a request other than a run, bytes.',
  ),
  runBodyBytes: setting(
    'COGMESH_RUN_BODY_BYTES',
    integer({ min: 1_024, max: 8 * 1024 * 1024 - 4_096, default: 8 * 1024 * 1024 - 4_096 }),
    'Largest run document, bytes. It travels in one message of at most 8 MiB.',
  ),
  blobBytes: setting(
    'COGMESH_BLOB_BYTES',
    integer({ min: 1, max: 4 * 1024 ** 3, default: 32 * 1024 * 1024 }),
    'Largest blob, bytes.',
  ),
  blobTtlMs: setting(
    'COGMESH_BLOB_TTL_MS',
    integer({ min: 60_000, max: 3_650 * 86_400_000, default: 7 * 86_400_000 }),
    'How long a blob is kept, milliseconds.',
  ),
  blobSweepMs: setting(
    'COGMESH_BLOB_SWEEP_MS',
    milliseconds(600_000),
    'Between two removals of expired blobs, milliseconds.',
  ),
  runResources: setting(
    'COGMESH_RUN_RESOURCES',
    integer({ min: 1, max: 900, default: 100 }),
    'Distinct models, tools and blobs one run may name; each is a policy decision and a line in the permit.',
  ),
  ratePerSecond: setting(
    'COGMESH_RATE_PER_SECOND',
    integer({ min: 1, max: 1_000_000, default: 200 }),
    'Requests per second each organisation may make in the long run.',
  ),
  rateBurst: setting(
    'COGMESH_RATE_BURST',
    integer({ min: 1, max: 1_000_000, default: 400 }),
    'Requests an organisation that was quiet may make at once.',
  ),
  streamsPerOrganisation: setting(
    'COGMESH_STREAMS_PER_ORGANISATION',
    integer({ min: 1, max: 100_000, default: 100 }),
    'Live watches (server-sent events and gRPC) each organisation may hold.',
  ),
  watchMs: setting(
    'COGMESH_WATCH_MS',
    milliseconds(3_600_000),
    'Longest life of one watch, milliseconds; the client then resumes where it was. A watch also ends with its token.',
  ),
  keepAliveMs: setting(
    'COGMESH_SSE_KEEP_ALIVE_MS',
    milliseconds(15_000),
    'Between two comments on a quiet event stream, milliseconds.',
  ),
  slowReaderMs: setting(
    'COGMESH_SSE_SLOW_READER_MS',
    milliseconds(60_000),
    'How long an event stream waits for a reader that takes nothing before it is closed, milliseconds.',
  ),
  publicUrl: setting(
    'COGMESH_PUBLIC_URL',
    text(''),
    'Scheme and host under which callers reach the REST API, such as `https://mesh.example`: a DPoP proof must name it. Empty: the loopback name of the request, and no proof is good under another.',
  ),
  authzenUrl: setting(
    'COGMESH_AUTHZEN_URL',
    text(''),
    'Public URL under which the Authorization API is asked; the discovery document names it. Empty: the loopback name of the request, and no document on other listeners.',
  ),
  authzenRole: setting(
    'COGMESH_AUTHZEN_ROLE',
    text('enforcement-point'),
    'Role of the callers that are enforcement points: only what they send as properties counts. The issuer record must allow it.',
  ),
  authzenRatePerSecond: setting(
    'COGMESH_AUTHZEN_RATE_PER_SECOND',
    integer({ min: 1, max: 1_000_000, default: 20_000 }),
    'Requests per second the enforcement points of each organisation may make of the Authorization API, at once or in the long run. Whoever else asks there has `COGMESH_RATE_PER_SECOND`.',
  ),
  authzenProperties: setting(
    'COGMESH_AUTHZEN_PROPERTIES',
    text(''),
    'Properties that enforcement points may send, comma-separated: `subject.department, context.time`, or `acme/resource.owner` for those of one organisation; `resource.*` is every name but `subject.roles`. Empty means none.',
  ),
  authzenEvaluations: setting(
    'COGMESH_AUTHZEN_EVALUATIONS',
    integer({ min: 1, max: 999, default: 500 }),
    'Evaluations in one request of the Authorization API; all of them are one question to the policy service.',
  ),
  headersTimeoutMs: setting(
    'COGMESH_HTTP_HEADERS_TIMEOUT_MS',
    milliseconds(10_000),
    'For a client to send a request’s headers, milliseconds.',
  ),
  requestTimeoutMs: setting(
    'COGMESH_HTTP_REQUEST_TIMEOUT_MS',
    milliseconds(300_000),
    'For a client to send a whole request, milliseconds.',
  ),
  idleTimeoutMs: setting(
    'COGMESH_HTTP_IDLE_TIMEOUT_MS',
    milliseconds(72_000),
    'A connection without a request is kept this long, milliseconds.',
  ),
  maxConnections: setting(
    'COGMESH_HTTP_MAX_CONNECTIONS',
    integer({ min: 1, max: 1_000_000, default: 4_096 }),
    'Connections of the REST listener; more are refused.',
  ),
  issuerRefreshMs: setting(
    'COGMESH_ISSUER_REFRESH_MS',
    milliseconds(5_000),
    'Between two looks at the issuer registry, milliseconds; a change is also hinted.',
  ),
  issuerStalenessMs: setting(
    'COGMESH_ISSUER_STALENESS_MS',
    milliseconds(300_000),
    'How long the last known issuers serve while the policy service cannot be reached, milliseconds; then every request is refused (503).',
  ),
});

export type GatewayConfig = ConfigOf<typeof gatewayConfig>;
