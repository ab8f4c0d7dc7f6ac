/** One question over HTTP: the time covers all of it, the look-up of the name and the last byte of the answer included. */
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { CogmeshError } from '@cogmesh/errors';
import { assertPublicHost, publicLookup } from '@cogmesh/rpc';

export interface PostedQuestion {
  readonly url: string;
  readonly body: string;
  readonly token: string;
}

export interface PostLimits {
  readonly allowPrivate: boolean;
  readonly bodyMaxBytes: number;
  readonly timeoutMs: number;
}

/** The body of a 200; rejects with everything else. */
export async function postQuestion({ url: text, body, token }: PostedQuestion, limits: PostLimits): Promise<string> {
  const url = new URL(text);
  const secure = url.protocol === 'https:';
  if (!limits.allowPrivate) {
    if (!secure) throw new CogmeshError('invalid_argument', 'its address is not https');
    assertPublicHost(url.hostname);
  }
  const signal = AbortSignal.timeout(limits.timeoutMs);
  const options: RequestOptions = {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      accept: 'application/json',
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      'user-agent': 'cogmesh-information/1',
    },
    agent: false,
    signal,
    ...(limits.allowPrivate ? {} : { lookup: publicLookup }),
  };
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      (secure ? httpsRequest : httpRequest)(url, options, resolve).on('error', reject).end(body);
    });
    return await readBody(response, limits.bodyMaxBytes);
  } catch (thrown) {
    if (signal.aborted) throw new CogmeshError('timeout', 'no whole answer in time');
    throw thrown;
  }
}

async function readBody(response: IncomingMessage, maxBytes: number): Promise<string> {
  if (response.statusCode !== 200) {
    response.destroy();
    throw new CogmeshError('unavailable', `it answered ${String(response.statusCode)}`);
  }
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > maxBytes)
      throw new CogmeshError('payload_too_large', `it answered more than ${String(maxBytes)} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}
