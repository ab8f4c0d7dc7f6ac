/**
 * Reads the key set behind an issuer's pinned URI: one GET of exactly that address. No redirect is followed, no credentials
 * are sent, and without leave no address outside of the public internet is reached, whatever DNS answers.
 */
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { CogmeshError } from '@cogmesh/errors';
import { assertPublicHost, publicLookup } from '@cogmesh/rpc';
import { issuerKeysMaxChars, jwksUriMaxChars } from './limits.js';

export interface FetchKeySetOptions {
  /** Also plain http, and addresses that are not public: for an issuer inside one's own network. */
  readonly allowPrivate: boolean;
  /** From the look-up of the name to the last byte, milliseconds. Default 3,000. */
  readonly timeoutMs?: number;
}

/** Why a URI cannot be an issuer's; undefined for one that can. Does not look the name up. */
export function jwksUriProblem(
  uri: string,
  { allowPrivate }: Pick<FetchKeySetOptions, 'allowPrivate'>,
): string | undefined {
  if (uri.length > jwksUriMaxChars) return `it has over ${jwksUriMaxChars} characters`;
  if (!URL.canParse(uri)) return 'it is not a URL';
  const url = new URL(uri);
  if (url.protocol !== 'https:' && !(allowPrivate && url.protocol === 'http:')) return 'it is not https';
  if (url.username !== '' || url.password !== '') return 'it holds credentials';
  if (url.hash !== '') return 'it has a fragment';
  if (allowPrivate) return undefined;
  try {
    assertPublicHost(url.hostname);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The body of the answer; rejects with `unavailable` for anything but a 200 of at most 64 KiB in time. */
export async function fetchKeySet(uri: string, options: FetchKeySetOptions): Promise<string> {
  const problem = jwksUriProblem(uri, options);
  if (problem !== undefined) throw unreadable(uri, problem);
  const url = new URL(uri);
  const signal = AbortSignal.timeout(options.timeoutMs ?? 3_000);
  try {
    return await readBody(await get(url, { signal, ...(options.allowPrivate ? {} : { lookup: publicLookup }) }));
  } catch (error) {
    if (signal.aborted) throw unreadable(uri, 'no answer in time', error);
    throw unreadable(uri, error instanceof Error ? error.message : String(error), error);
  }
}

function get(url: URL, options: RequestOptions): Promise<IncomingMessage> {
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  const headers = { accept: 'application/jwk-set+json, application/json', 'user-agent': 'cogmesh-issuers/1' };
  return new Promise((resolve, reject) => {
    const sent = send(url, { method: 'GET', agent: false, headers, ...options }, resolve);
    sent.on('error', reject);
    sent.end();
  });
}

async function readBody(response: IncomingMessage): Promise<string> {
  const { statusCode = 0, headers } = response;
  const problem = answerProblem(statusCode, headers['content-encoding']);
  if (problem !== undefined) {
    response.on('error', () => undefined).destroy();
    throw new Error(problem);
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > issuerKeysMaxChars) throw new Error(`the key set is over ${issuerKeysMaxChars} bytes`);
    chunks.push(chunk);
  }
  return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks));
}

function answerProblem(status: number, encoding: string | undefined): string | undefined {
  if (status >= 300 && status < 400) return `the answer is a redirect (${status}), which is not followed`;
  if (status !== 200) return `the answer is ${status}`;
  return encoding === undefined || encoding === 'identity' ? undefined : 'the answer is compressed';
}

function unreadable(uri: string, why: string, cause?: unknown): CogmeshError {
  return new CogmeshError('unavailable', `the key set at ${uri.slice(0, 200)} cannot be read: ${why}`, {}, { cause });
}
