/**
 * Reads a bootstrap folder: organisations.json, issuers.json, policies/<organisation>.json, grants/<id>.jws. Every file
 * is checked before anything is stored, and the first that is wrong stops the start with its name and the place in it.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { CogmeshError } from '@cogmesh/errors';
import { compileIssuer, parseStrictJson, type IssuerRecord } from '@cogmesh/identity';
import { isOrganisationName, parsePolicySet, type PolicySet } from '@cogmesh/policy-core';
import { z } from 'zod';
import { checkDocument, type GrantVerifier } from '../checked-policies.js';
import { bootstrapFileMaxBytes } from '../limits.js';
import type { BootstrapWrite } from '../policy-store.js';

const organisationsSchema = z.array(
  z.strictObject({ name: z.string().refine(isOrganisationName, 'is not a name for an organisation') }),
);

const day = 86_400;
const issuersSchema = z.array(
  z
    .strictObject({
      issuer: z.string().min(1).max(512),
      organisation: z.string(),
      jwks: z.looseObject({ keys: z.array(z.looseObject({})) }).optional(),
      jwksJson: z.string().optional(),
      algorithms: z.array(z.string()).min(1).default(['EdDSA']),
      audience: z.string().min(1).default('cogmesh'),
      allowedRoles: z.array(z.string()).default([]),
      allowedAttributes: z.array(z.string()).default([]),
      maxTtlSeconds: z.int().min(1).max(day).default(3_600),
      suspended: z.boolean().default(false),
      tokenTypes: z.array(z.string()).optional(),
      jwksUri: z.string().optional(),
      claimMap: z
        .strictObject({
          subject: z.string().optional(),
          roles: z.string().optional(),
          roleNames: z.record(z.string(), z.string()).optional(),
          attributes: z.record(z.string(), z.string()).optional(),
        })
        .optional(),
      profile: z.literal('at+jwt').optional(),
      dpopRequired: z.boolean().optional(),
      keyOverlapSeconds: z.int().min(0).max(day).optional(),
    })
    .refine(
      ({ jwks, jwksJson, jwksUri }) => [jwks, jwksJson, jwksUri].filter((one) => one !== undefined).length === 1,
      'needs one of jwks, jwksJson and jwksUri',
    ),
);

export async function readBootstrap(dir: string, verifier: GrantVerifier): Promise<BootstrapWrite> {
  const names = await readOrganisations(join(dir, 'organisations.json'));
  const issuers = await readIssuers(join(dir, 'issuers.json'));
  const grants = await readGrants(join(dir, 'grants'), { names, verifier });
  const documents = await readDocuments(join(dir, 'policies'), names);
  const organisations = [];
  for (const name of names) {
    const file = join(dir, 'policies', `${name}.json`);
    const written = documents.get(name) ?? parsePolicySet([]);
    const document = { ...written, grants: [...written.grants, ...(grants.get(name) ?? [])] };
    organisations.push({ name, ...(await located(file, () => checkDocument(name, document, verifier))) });
  }
  return { organisations, issuers };
}

async function readOrganisations(file: string): Promise<string[]> {
  const names = (await parsed(file, organisationsSchema, [])).map(({ name }) => name);
  const repeated = names.find((name, i) => names.indexOf(name) !== i);
  if (repeated !== undefined) refuse(file, `names ${repeated} twice`);
  return names;
}

async function readIssuers(file: string): Promise<IssuerRecord[]> {
  const issuers = await parsed(file, issuersSchema, []);
  return Promise.all(
    issuers.map(({ jwks, jwksJson, ...rest }, i) =>
      located(`${file}[${String(i)}]`, () => {
        const keys = jwksJson ?? (jwks === undefined ? '' : JSON.stringify(jwks));
        // Whatever was left out is left out, as JSON has no other way to say so.
        const record = JSON.parse(JSON.stringify({ ...rest, jwksJson: keys })) as IssuerRecord;
        // Where its keys may be fetched from is judged by whoever fetches them.
        compileIssuer(record, { allowPrivate: true });
        return record;
      }),
    ),
  );
}

async function readDocuments(folder: string, names: readonly string[]): Promise<Map<string, PolicySet>> {
  const documents = new Map<string, PolicySet>();
  for (const file of await filesIn(folder, '.json')) {
    const name = basename(file, '.json');
    if (!names.includes(name)) refuse(file, `there is no organisation "${name}" in organisations.json`);
    documents.set(name, await located(file, async () => parsePolicySet(await readJson(file))));
  }
  return documents;
}

/** Grants by the organisation that gave them. */
async function readGrants(
  folder: string,
  { names, verifier }: { names: readonly string[]; verifier: GrantVerifier },
): Promise<Map<string, string[]>> {
  const grants = new Map<string, string[]>();
  for (const file of await filesIn(folder, '.jws')) {
    const jws = (await readText(file)).trim();
    const { grantor } = await located(file, () => verifier.verifyPartnerGrant(jws, { anyTime: true }));
    if (!names.includes(grantor)) refuse(file, `there is no organisation "${grantor}" in organisations.json`);
    grants.set(grantor, [...(grants.get(grantor) ?? []), jws]);
  }
  return grants;
}

async function filesIn(folder: string, suffix: string): Promise<string[]> {
  const names = await readdir(folder).catch(absent([]));
  return names
    .filter((name) => name.endsWith(suffix))
    .sort()
    .map((name) => join(folder, name));
}

async function parsed<S extends z.ZodType>(file: string, schema: S, fallback: z.output<S>): Promise<z.output<S>> {
  const present = await stat(file).then(() => true, absent(false));
  if (!present) return fallback;
  const result = schema.safeParse(await readJson(file));
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`);
  return refuse(file, problems.join('; '));
}

async function readJson(file: string): Promise<unknown> {
  const text = await readText(file);
  try {
    return parseStrictJson(text);
  } catch (thrown) {
    return refuse(file, thrown instanceof Error ? thrown.message : String(thrown), thrown);
  }
}

async function readText(file: string): Promise<string> {
  const { size } = await stat(file);
  if (size > bootstrapFileMaxBytes) refuse(file, `has ${String(size)} bytes, at most ${String(bootstrapFileMaxBytes)}`);
  return readFile(file, 'utf8');
}

/** Runs a check, and names the file in what it throws. */
async function located<T>(file: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (!(thrown instanceof CogmeshError) || thrown.details['file'] !== undefined) throw thrown;
    throw new CogmeshError(
      'invalid_config',
      `${file}: ${thrown.message}`,
      { ...thrown.details, file },
      { cause: thrown },
    );
  }
}

function refuse(file: string, problem: string, cause?: unknown): never {
  throw new CogmeshError('invalid_config', `${file}: ${problem}`, { file }, { cause });
}

function absent<T>(value: T): (thrown: NodeJS.ErrnoException) => T {
  return (thrown) => {
    if (thrown.code === 'ENOENT') return value;
    throw thrown;
  };
}
