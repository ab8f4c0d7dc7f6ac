/** Agents that may be started elsewhere, as the operator's file names them. Refused as a whole when anything in it is wrong. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { CogmeshError } from '@cogmesh/errors';

const count = (least: number) => z.int().min(least).max(1_000);
const text = z.string().min(1).max(4_096);
/** Names of Kubernetes objects; they stand in a path. */
const objectName = z.string().regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/);

const processes = z.strictObject({
  command: z.array(text).min(1),
  directory: text.optional(),
  /** Beside the path, the home folder and the registry's address. */
  environment: z.record(z.string(), z.string()).default({}),
  /** After SIGTERM, milliseconds. */
  stopGraceMs: z.int().min(0).max(3_600_000).default(60_000),
});

const kubernetes = z.strictObject({
  namespace: objectName,
  deployment: objectName,
  /** Default: the API server that Kubernetes names to each pod. */
  server: z.url({ protocol: /^https?$/ }).optional(),
  /** Folder with `token` and `ca.crt`. */
  credentials: text.default('/var/run/secrets/kubernetes.io/serviceaccount'),
});

const pool = z
  .strictObject({
    name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/),
    capabilities: z.array(text).min(1),
    /** Slots of each capability that one agent brings. */
    slotsPerAgent: count(1),
    /** Agents. */
    min: count(0).default(0),
    max: count(1),
    process: processes.optional(),
    kubernetes: kubernetes.optional(),
  })
  .refine(({ min, max }) => min <= max, { message: 'min is above max' })
  .refine(({ process, kubernetes: cluster }) => (process === undefined) !== (cluster === undefined), {
    message: 'a pool has either `process` or `kubernetes`',
  });

const file = z.strictObject({ pools: z.array(pool).max(100) }).superRefine(({ pools }, context) => {
  const [names, capabilities] = [new Set<string>(), new Set<string>()];
  for (const each of pools) {
    if (names.has(each.name)) context.addIssue(`two pools are named "${each.name}"`);
    names.add(each.name);
    for (const capability of each.capabilities) {
      if (capabilities.has(capability)) context.addIssue(`"${capability}" is in two places`);
      capabilities.add(capability);
    }
  }
});

export type PoolEntry = z.infer<typeof pool>;
export type ProcessEntry = z.infer<typeof processes>;
export type KubernetesEntry = z.infer<typeof kubernetes>;

/** Throws `invalid_argument` that says what is wrong. */
export async function readPoolFile(path: string): Promise<readonly PoolEntry[]> {
  if (path === '') return [];
  let content: unknown;
  try {
    content = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CogmeshError('invalid_argument', `COGMESH_POOL_FILE ${path} cannot be read: ${why}`);
  }
  const parsed = file.safeParse(content);
  if (parsed.success) return parsed.data.pools;
  throw new CogmeshError('invalid_argument', `COGMESH_POOL_FILE ${path}: ${z.prettifyError(parsed.error)}`);
}
