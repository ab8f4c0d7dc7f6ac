/**
 * One HTTP request of the client: the token, a time-out, the problem document as a CogmeshError, and bounded retries of
 * what may be repeated. A refresh of the token is tried once when the gateway calls it expired.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { CogmeshError, errorClasses } from '@cogmesh/errors';
import type { DpopKey } from './dpop-key.js';
import { errorOfResponse } from './problem-error.js';

/** A token, or where to get one; `refresh` is true after the gateway refused the last one as expired. */
export type TokenSource = string | ((options: { readonly refresh: boolean }) => string | Promise<string>);

export interface TransportOptions {
  /** `http://127.0.0.1:7000`. */
  readonly baseUrl: string;
  readonly token: TokenSource;
  /** Key that the token is bound to (RFC 9449); each request carries a proof of it. Default: a bearer token. */
  readonly dpop?: DpopKey;
  /** Until the answer's headers are there, milliseconds. Default 30,000. */
  readonly timeoutMs?: number;
  /** Further tries of a request that may be repeated. Default 3. */
  readonly maxRetries?: number;
  /** Longest wait before a retry, milliseconds; a longer `Retry-After` fails at once. Default 10,000. */
  readonly maxRetryDelayMs?: number;
  /** First wait, milliseconds; doubles each time. Default 200. */
  readonly retryDelayMs?: number;
}

/** A stream is consumed by its first use. */
export type RequestBody = string | Uint8Array<ArrayBuffer> | Blob | ReadableStream<Uint8Array>;

/** Parameters after the `?`; a list stands for one parameter per entry. */
export type Query = Readonly<Record<string, string | number | readonly string[] | undefined>>;

/** What every call of the client takes. */
export interface CallScope {
  readonly signal?: AbortSignal;
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Below the base URL, already encoded: use `path` below. */
  readonly path: string;
  readonly query?: Query;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: RequestBody;
  /** Sending it twice does no more than sending it once. */
  readonly repeatable: boolean;
  readonly signal?: AbortSignal;
}

/** `path('/v1/runs/', id)` with every value encoded. */
export function path(strings: TemplateStringsArray, ...values: readonly string[]): string {
  return strings.reduce((text, part, index) => text + encodeURIComponent(values[index - 1] ?? '') + part);
}

export class HttpTransport {
  readonly #options: Required<Omit<TransportOptions, 'dpop'>> & Pick<TransportOptions, 'dpop'>;

  constructor(options: TransportOptions) {
    this.#options = { timeoutMs: 30_000, maxRetries: 3, maxRetryDelayMs: 10_000, retryDelayMs: 200, ...options };
  }

  async json<T>(request: HttpRequest): Promise<T> {
    const response = await this.send({ ...request, headers: { accept: 'application/json', ...request.headers } });
    try {
      return (await response.json()) as T;
    } catch (error) {
      throw new CogmeshError(
        'unavailable',
        `the gateway's answer to ${request.path} was cut or is not JSON`,
        {},
        { cause: error },
      );
    }
  }

  /** The answer with its body unread. Rejects with a CogmeshError for anything but 2xx. */
  async send(request: HttpRequest): Promise<Response> {
    for (let tried = 0; ; tried += 1) {
      try {
        return await this.#sendFresh(request);
      } catch (thrown) {
        const waitMs = this.#retryWaitMs(request, thrown, tried);
        if (waitMs === undefined) throw thrown;
        await delay(waitMs, undefined, request.signal ? { signal: request.signal } : {}).catch((cause: unknown) => {
          throw new CogmeshError('cancelled', 'the request was cancelled', {}, { cause });
        });
      }
    }
  }

  /** Undefined when the failure is final. */
  #retryWaitMs(request: HttpRequest, thrown: unknown, tried: number): number | undefined {
    const { maxRetries, maxRetryDelayMs, retryDelayMs } = this.#options;
    if (!request.repeatable || tried >= maxRetries || request.signal?.aborted) return undefined;
    if (!(thrown instanceof CogmeshError) || !errorClasses[thrown.code].retryable) return undefined;
    const askedMs = (thrown.details.retryAfterSeconds ?? 0) * 1_000;
    if (askedMs > maxRetryDelayMs) return undefined;
    const backoffMs = Math.min(maxRetryDelayMs, retryDelayMs * 2 ** tried);
    return Math.max(askedMs, backoffMs * (0.5 + Math.random() / 2));
  }

  async #sendFresh(request: HttpRequest): Promise<Response> {
    const { token } = this.#options;
    try {
      return await this.#sendOnce(request, typeof token === 'string' ? token : await token({ refresh: false }));
    } catch (thrown) {
      const expired = thrown instanceof CogmeshError && thrown.code === 'expired_token';
      // A stream was consumed by the first try.
      if (!expired || typeof token === 'string' || request.body instanceof ReadableStream) throw thrown;
      return this.#sendOnce(request, await token({ refresh: true }));
    }
  }

  async #sendOnce(request: HttpRequest, token: string): Promise<Response> {
    const response = await this.#fetch(request, token);
    if (response.ok) return response;
    throw await errorOfResponse(response);
  }

  async #fetch(request: HttpRequest, token: string): Promise<Response> {
    const { baseUrl, timeoutMs, dpop } = this.#options;
    const url = urlOf(baseUrl, request);
    const timeout = new AbortController();
    const timer = setTimeout(() => timeout.abort(), timeoutMs);
    const signals = request.signal ? [timeout.signal, request.signal] : [timeout.signal];
    try {
      return await fetch(url, {
        method: request.method,
        headers: { ...request.headers, ...credentials(token, { dpop, method: request.method, url: url.href }) },
        signal: AbortSignal.any(signals),
        redirect: 'error',
        ...(request.body === undefined ? {} : { body: request.body, duplex: 'half' }),
      });
    } catch (error) {
      if (request.signal?.aborted)
        throw new CogmeshError('cancelled', 'the request was cancelled', {}, { cause: error });
      if (timeout.signal.aborted) throw new CogmeshError('timeout', `no answer from ${baseUrl} within ${timeoutMs} ms`);
      throw new CogmeshError('unavailable', `cannot reach ${baseUrl}: ${reasonOf(error)}`, {}, { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }
}

function credentials(token: string, { dpop, method, url }: { dpop: DpopKey | undefined; method: string; url: string }) {
  if (dpop === undefined) return { authorization: `Bearer ${token}` };
  return { authorization: `DPoP ${token}`, dpop: dpop.proof({ method, url, token }) };
}

function urlOf(baseUrl: string, { path: where, query = {} }: HttpRequest): URL {
  const url = new URL(baseUrl.replace(/\/+$/, '') + where);
  for (const [name, value] of Object.entries(query)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== undefined) url.searchParams.append(name, String(each));
    }
  }
  return url;
}

/** fetch hides the reason in `cause`. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  if (cause instanceof Error) return cause.message === '' ? cause.name : cause.message;
  return error instanceof Error ? error.message : String(error);
}
