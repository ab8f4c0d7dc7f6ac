/** The OpenAPI 3.1 document: components from the zod schemas, paths from the table. */
import { errorClasses, problemMediaType, type ErrorCode } from '@cogmesh/errors';
import { z } from 'zod';
import type { Answer, Call, Parameter } from './call.js';
import { schemas } from './components.js';
import { calls } from './paths.js';

type Json = Record<string, unknown>;

export interface OpenApiDocument {
  readonly openapi: '3.1.0';
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly servers: readonly Json[];
  readonly tags: readonly { readonly name: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Json>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Json>>; readonly securitySchemes: Json };
}

/** What any call with a token may answer. */
const everywhere: readonly ErrorCode[] = [
  'unauthenticated',
  'invalid_token',
  'expired_token',
  'unknown_issuer',
  'revoked',
  'permission_denied',
  'rate_limited',
  'unavailable',
  'stale_policy',
];

export function openApiDocument(version: string): OpenApiDocument {
  const paths: Record<string, Record<string, Json>> = {};
  for (const call of calls) (paths[call.path] ??= {})[call.method] = operation(call);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Cogmesh',
      version,
      description:
        'Runs AI inference work for many organisations. Send a token of a registered issuer as `Authorization: Bearer`; the organisation is the issuer’s. Failures are RFC 9457 problem documents with a stable `code`.',
    },
    servers: [{ url: '/' }],
    tags: [...new Set(calls.map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: {
      schemas: componentSchemas(),
      securitySchemes: { token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' } },
    },
  };
}

function componentSchemas(): Record<string, Json> {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(schemas)) registry.add(schema, { id });
  const { schemas: found } = z.toJSONSchema(registry, { io: 'input', uri: (id) => `#/components/schemas/${id}` });
  const entries = Object.entries(found).map(([id, schema]) => {
    const { $schema: _schema, $id: _id, id: _plainId, ...rest } = schema as Json;
    return [id, rest] as const;
  });
  return Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

const reference = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });

function operation(call: Call): Json {
  return {
    operationId: call.id,
    tags: [call.tag],
    summary: call.summary,
    ...(call.description === undefined ? {} : { description: call.description }),
    ...(call.parameters === undefined ? {} : { parameters: call.parameters.map(parameter) }),
    ...(call.body === undefined ? {} : { requestBody: requestBody(call.body) }),
    responses: responses(call),
    security: call.open === true ? [] : [{ token: [] }],
  };
}

const parameter = ({ name, in: place, description, schema }: Parameter): Json => ({
  name,
  in: place,
  required: place === 'path',
  description,
  schema: schema ?? { type: 'string' },
});

const requestBody = ({ schema, mediaType, required }: NonNullable<Call['body']>): Json => ({
  required,
  content: { [mediaType ?? 'application/json']: { schema: schema === undefined ? {} : reference(schema) } },
});

function responses(call: Call): Json {
  const good = [call.answer, ...(call.also ?? [])].map((answer) => [String(answer.status), response(answer)] as const);
  return {
    ...Object.fromEntries(good),
    ...problems([...(call.open === true ? [] : everywhere), ...(call.errors ?? [])]),
  };
}

const noBody = new Set([204, 304]);

function response({ status, description, schema, mediaType, headers }: Answer): Json {
  const content = { [mediaType ?? 'application/json']: { schema: schema === undefined ? {} : reference(schema) } };
  const described = Object.entries(headers ?? {}).map(([name, text]) => [
    name,
    { description: text, schema: { type: 'string' } },
  ]);
  return {
    description,
    ...(described.length === 0 ? {} : { headers: Object.fromEntries(described) as Json }),
    ...(noBody.has(status) ? {} : { content }),
  };
}

/** One response per HTTP status, naming the codes that arrive with it. */
function problems(codes: readonly ErrorCode[]): Json {
  const byStatus = Map.groupBy(new Set(codes), (code) => errorClasses[code].http);
  const entries = [...byStatus].map(([status, found]) => [
    String(status),
    {
      description: `Problem with code ${found.join(', ')}.`,
      content: { [problemMediaType]: { schema: reference('Problem') } },
    },
  ]);
  return Object.fromEntries(entries) as Json;
}
