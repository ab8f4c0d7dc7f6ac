/**
 * The input schemas that agents announce, by digest: agents of the same program share one. A schema is read once, when it first
 * comes, and refused there; what nobody announces any more is dropped after a while.
 */
import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { CogmeshError, toCogmeshError } from '@cogmesh/errors';
import { InputSchema } from '@cogmesh/input-schemas';
import type { Capability, Clock } from '@cogmesh/registry-core';
import type { Logger } from '@cogmesh/telemetry';

/** Where schemas survive a restart. */
export interface SchemaTexts {
  load(): Promise<ReadonlyMap<string, string>>;
  /** Durable when it resolves; no error for one that is there already. */
  add(texts: ReadonlyMap<string, string>): Promise<void>;
  remove(digests: readonly string[]): Promise<void>;
}

export interface SchemaShelfOptions {
  readonly texts: SchemaTexts;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Contract: registry.proto. */
const maxBytesOfAgent = 256 * 1024;
/** How long one that no agent announces is kept, milliseconds: an agent on its way in has said it, but is not known yet. */
const keepUnusedMs = 60_000;

/** What an agent says of one capability. */
interface Said {
  readonly name: string;
  readonly inputSchemaJson: string;
}

interface Kept {
  readonly json: string;
  neededMs: number;
}

export class SchemaShelf {
  readonly #options: SchemaShelfOptions;
  readonly #kept = new Map<string, Kept>();
  #unsaved = new Map<string, string>();
  /** Of workers, by capability. */
  readonly #refused = new Map<string, string>();
  #saving: Promise<void> = Promise.resolve();

  constructor(options: SchemaShelfOptions) {
    this.#options = options;
  }

  async load(): Promise<void> {
    const neededMs = this.#options.clock.monotonicMs();
    for (const [digest, json] of await this.#options.texts.load()) this.#kept.set(digest, { json, neededMs });
  }

  /** The schema's text; empty when it is not here. */
  text(digest: string): string {
    return this.#kept.get(digest)?.json ?? '';
  }

  /** Adds the digests of what an agent says in Hello. Throws `invalid_argument` for a schema that is refused. */
  async accept(capabilities: readonly Capability[], said: readonly Said[]): Promise<Capability[]> {
    const bytes = said.reduce((sum, { inputSchemaJson }) => sum + Buffer.byteLength(inputSchemaJson), 0);
    if (bytes > maxBytesOfAgent) {
      throw new CogmeshError(
        'invalid_argument',
        `input schemas have ${bytes} bytes, at most ${maxBytesOfAgent} together`,
      );
    }
    const digests = new Map<string, string>();
    for (const [index, { name, inputSchemaJson }] of said.entries()) {
      if (inputSchemaJson === '') continue;
      digests.set(name, this.#put(inputSchemaJson, `capabilities[${index}].input_schema_json`));
      await setImmediate();
    }
    return capabilities.map((capability) => withSchema(capability, digests.get(capability.name)));
  }

  /** The same for what a worker says, again and again: a schema that is refused is left out, and told once. */
  acceptLater(capabilities: readonly Capability[], said: readonly Said[]): Capability[] {
    const texts = new Map(said.map(({ name, inputSchemaJson }) => [name, inputSchemaJson]));
    return capabilities.map((capability) => withSchema(capability, this.#putOrLeave(capability.name, texts)));
  }

  /** Writes what is new; before the agents that announce it are written. */
  save(): Promise<void> {
    this.#saving = this.#saving.catch(() => {}).then(() => this.#write());
    return this.#saving;
  }

  async #write(): Promise<void> {
    const unsaved = this.#unsaved;
    if (unsaved.size === 0) return;
    this.#unsaved = new Map();
    try {
      await this.#options.texts.add(unsaved);
    } catch (error) {
      this.#unsaved = new Map([...unsaved, ...this.#unsaved]);
      throw error;
    }
  }

  /** Drops what none of these agents announces and nobody said lately. */
  async dropUnused(agents: Iterable<{ readonly capabilities: readonly Capability[] }>): Promise<void> {
    const nowMs = this.#options.clock.monotonicMs();
    for (const { capabilities } of agents) {
      for (const { inputSchemaSha256 = '' } of capabilities) {
        const kept = this.#kept.get(inputSchemaSha256);
        if (kept) kept.neededMs = nowMs;
      }
    }
    const unused = [...this.#kept].filter(([, { neededMs }]) => nowMs - neededMs > keepUnusedMs).map(([id]) => id);
    for (const digest of unused) this.#kept.delete(digest);
    if (unused.length > 0) await this.#options.texts.remove(unused);
  }

  #putOrLeave(name: string, texts: ReadonlyMap<string, string>): string {
    const json = texts.get(name) ?? '';
    if (this.#refused.get(name) === json) return '';
    try {
      return this.#put(json, name);
    } catch (thrown) {
      this.#refused.set(name, json);
      const { message } = toCogmeshError(thrown);
      this.#options.logger.warn({ capability: name }, `inputs of ${name} are not checked: ${message}`);
      return '';
    }
  }

  #put(json: string, path: string): string {
    if (json === '') return '';
    const digest = createHash('sha256').update(json).digest('hex');
    const neededMs = this.#options.clock.monotonicMs();
    const kept = this.#kept.get(digest);
    if (kept) kept.neededMs = neededMs;
    else {
      assertAccepted(json, path);
      this.#kept.set(digest, { json, neededMs });
      this.#unsaved.set(digest, json);
    }
    return digest;
  }
}

function assertAccepted(json: string, path: string): void {
  try {
    new InputSchema(json);
  } catch (thrown) {
    const { code, message, details } = toCogmeshError(thrown);
    const issues = details.issues?.map((issue) => ({
      ...issue,
      path: issue.path === '' ? path : `${path}: ${issue.path}`,
    }));
    throw new CogmeshError(code, `${path}: ${message}`, { ...details, ...(issues ? { issues } : {}) });
  }
}

const withSchema = (capability: Capability, digest = ''): Capability =>
  digest === '' ? capability : { ...capability, inputSchemaSha256: digest };
