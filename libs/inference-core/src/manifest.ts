/**
 * `model.yaml`: what a model owner writes beside a model to have it served. This file holds its schema and turns a parsed
 * document into a ModelManifest, or refuses it with every problem at once (`invalid_model`). It opens no files.
 */
import { CogmeshError, type Issue } from '@cogmesh/errors';
import { datatypes, type TensorSpec } from '@cogmesh/tensors';
import semver from 'semver';
import { z } from 'zod';

const digest = z.string().regex(/^[0-9a-f]{64}$/, 'a lower-case hexadecimal SHA-256');
const relativePath = z
  .string()
  .min(1)
  .max(255)
  .refine((path) => !path.startsWith('/') && !path.split(/[\\/]/).includes('..'), 'a path below its folder');

/** A file in an installed npm package, or beside the manifest. */
const source = z.union([
  z.strictObject({ package: z.string().regex(/^(@[a-z0-9-]+\/)?[a-z0-9._-]+$/), path: relativePath }),
  z.strictObject({ file: relativePath }),
]);

const artifact = z.strictObject({ source, sha256: digest });

const tensor = z.strictObject({
  name: z.string().min(1).max(256),
  datatype: z.enum(datatypes),
  /** -1 for a dimension of any size. */
  shape: z.array(z.number().int().min(-1)).max(16),
});

const schema = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}\/[a-z0-9][a-z0-9._-]{0,62}$/, '<organisation>/<name>, lower case'),
  version: z.string().refine((version) => semver.valid(version) === version, 'an exact semantic version'),
  description: z.string().max(500).default(''),
  licence: z.string().min(1).max(100),
  task: z.enum(['ocr.detect', 'ocr.recognize', 'audio.vad', 'tensors']).default('tensors'),
  /** The first is the default. */
  variants: z
    .array(artifact.extend({ name: z.enum(['fp32', 'fp16', 'int8']) }))
    .min(1)
    .max(8),
  /** Other files a typed task reads, such as a dictionary. */
  assets: z.record(z.string(), artifact).default({}),
  /** Engine processes that hold it. */
  instances: z.number().int().min(1).max(64).default(1),
  batching: z
    .strictObject({
      maxBatch: z.number().int().min(1).max(1024).default(1),
      /** How long a request waits for company, milliseconds. */
      maxDelayMs: z.number().min(0).max(1000).default(0),
      /** Requests that may wait; more are refused as `overloaded`. */
      maxQueue: z.number().int().min(1).max(10_000).default(256),
    })
    .default({ maxBatch: 1, maxDelayMs: 0, maxQueue: 256 }),
  inputs: z.array(tensor).min(1).max(64),
  outputs: z.array(tensor).min(1).max(64),
  /** Runs before the model counts as warm: the shape of each input, filled with zeros. */
  warmup: z
    .array(z.record(z.string(), z.array(z.number().int().min(0)).max(16)))
    .max(16)
    .default([]),
});

export type ModelManifest = Readonly<z.output<typeof schema>>;
export type ModelSource = z.output<typeof source>;
export type ModelTask = ModelManifest['task'];

/** The manifest a parsed YAML document holds. Throws `invalid_model` with one issue per problem. */
export function parseManifest(document: unknown, where: string): ModelManifest {
  const parsed = schema.safeParse(document);
  const issues: Issue[] = parsed.success
    ? consistencyIssues(parsed.data)
    : parsed.error.issues.map(({ path, code, message }) => ({ path: path.join('.'), code, message }));
  if (!parsed.success || issues.length > 0) {
    const summary = issues.map((issue) => `${issue.path}: ${issue.message}`).join('; ');
    throw new CogmeshError('invalid_model', `${where}: ${summary}`, { issues });
  }
  return parsed.data;
}

/** `acme/ppocr-detect@4.0.0`. */
export function modelKey(manifest: Pick<ModelManifest, 'name' | 'version'>): string {
  return `${manifest.name}@${manifest.version}`;
}

function consistencyIssues(manifest: ModelManifest): Issue[] {
  const inputs = new Set(manifest.inputs.map((input) => input.name));
  const issues = [
    ...repeated('inputs', manifest.inputs),
    ...repeated('outputs', manifest.outputs),
    ...repeated('variants', manifest.variants),
  ];
  manifest.warmup.forEach((shapes, index) => {
    const missing = [...inputs].filter((name) => !(name in shapes));
    const unknown = Object.keys(shapes).filter((name) => !inputs.has(name));
    for (const name of [...missing, ...unknown]) {
      issues.push({ path: `warmup.${index}.${name}`, code: 'warmup', message: 'warm-up names exactly the inputs' });
    }
  });
  if (manifest.batching.maxBatch > 1) issues.push(...unbatchable(manifest.inputs));
  return issues;
}

function repeated(list: string, items: readonly { name: string }[]): Issue[] {
  const names = items.map((item) => item.name);
  return names.flatMap((name, index) =>
    names.indexOf(name) === index
      ? []
      : [{ path: `${list}.${index}.name`, code: 'repeated', message: `"${name}" is there twice` }],
  );
}

function unbatchable(inputs: readonly TensorSpec[]): Issue[] {
  return inputs.flatMap((input, index) =>
    input.shape[0] === -1
      ? []
      : [{ path: `inputs.${index}.shape`, code: 'batching', message: 'maxBatch over 1 needs a first dimension of -1' }],
  );
}
