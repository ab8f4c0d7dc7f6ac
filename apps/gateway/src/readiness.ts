/**
 * Whether the gateway can serve, one check per thing it needs. Models are told apart from that: they warm up behind a
 * gateway that is ready. Answers are kept for a moment, because anybody may ask.
 */
import { CogmeshError, toCogmeshError } from '@cogmesh/errors';
import type { Readiness } from '@cogmesh/service';
import { servedModels } from './operations/list-models.js';
import type { RegistryClient } from './operations/ports.js';

type Checks = Readiness['checks'];

export interface PublicReadiness extends Readiness {
  readonly models?: Checks;
}

export interface ReadinessParts {
  /** Each rejects while its thing is not there. */
  readonly checks: Readonly<Record<string, () => Promise<unknown> | void>>;
  readonly registry: Pick<RegistryClient, 'listAgents'>;
  /** Whether anybody who asks may read which models are served: only where nobody but this machine can ask. */
  readonly tellModels: boolean;
}

const keptMs = 250;
const checkTimeoutMs = 1_500;

export class GatewayReadiness {
  readonly #parts: ReadinessParts;
  #kept: { readonly at: number; readonly answer: Promise<PublicReadiness> } | undefined;

  constructor(parts: ReadinessParts) {
    this.#parts = parts;
  }

  forAnybody(): Promise<PublicReadiness> {
    const at = performance.now();
    if (this.#kept === undefined || at - this.#kept.at > keptMs) this.#kept = { at, answer: this.#ask() };
    return this.#kept.answer;
  }

  async #ask(): Promise<PublicReadiness> {
    const names = Object.entries(this.#parts.checks);
    const [checks, models] = await Promise.all([
      Promise.all(names.map(async ([name, check]) => [name, await outcome(check)] as const)),
      this.#parts.tellModels ? this.#models() : undefined,
    ]);
    const ready = checks.every(([, check]) => check.ready);
    return { ready, checks: Object.fromEntries(checks), ...(models === undefined ? {} : { models }) };
  }

  async #models(): Promise<Checks> {
    const answer = await this.#parts.registry
      .listAgents({ withoutSchemas: true }, { deadlineMs: checkTimeoutMs })
      .catch(() => undefined);
    const models = servedModels(answer?.agents ?? []);
    return Object.fromEntries(models.map(({ name, version, ready }) => [`${name}@${version}`, { ready }]));
  }
}

async function outcome(check: () => Promise<unknown> | void): Promise<Checks[string]> {
  const timer = Promise.withResolvers<never>();
  const timeout = setTimeout(() => timer.reject(new CogmeshError('timeout', 'no answer in time')), checkTimeoutMs);
  try {
    await Promise.race([(async () => check())(), timer.promise]);
    return { ready: true };
  } catch (thrown) {
    return { ready: false, detail: toCogmeshError(thrown).message };
  } finally {
    clearTimeout(timeout);
  }
}
