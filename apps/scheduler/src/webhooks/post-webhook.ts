/** One attempt: a signed POST (Standard Webhooks) that follows no redirect, waits for a bounded time and reads no body. */
import { createHmac } from 'node:crypto';
import { request as httpRequest, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { assertPublicHost, publicLookup } from '@cogmesh/rpc';

/** From the look-up of the name to the answer's headers, milliseconds. */
const timeoutMs = 10_000;

export interface Post {
  readonly url: string;
  /** Stays the same for every attempt, so that a receiver knows a repeated one. */
  readonly id: string;
  readonly body: string;
  /** Base64 of the key. */
  readonly secret: string;
  /** Milliseconds since the epoch. */
  readonly nowMs: number;
}

export interface PostOptions {
  readonly allowPrivate: boolean;
  /** Default 10 s. */
  readonly timeoutMs?: number;
}

/** Answers the HTTP status, whatever it is; rejects when there was none. */
export async function postWebhook(post: Post, options: PostOptions): Promise<number> {
  const url = new URL(post.url);
  if (!options.allowPrivate) assertPublicHost(url.hostname);
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  const signal = AbortSignal.timeout(options.timeoutMs ?? timeoutMs);
  const request: RequestOptions = {
    method: 'POST',
    headers: headersOf(post),
    agent: false,
    signal,
    ...(options.allowPrivate ? {} : { lookup: publicLookup }),
  };
  return new Promise((resolve, reject) => {
    const sent = send(url, request, (response) => {
      resolve(response.statusCode ?? 0);
      // Nobody reads what else it says, so nobody minds how that ends.
      response.on('error', () => undefined).destroy();
    });
    sent.on('error', (error) => reject(signal.aborted ? new Error('no answer in time', { cause: error }) : error));
    sent.end(post.body);
  });
}

function headersOf({ id, body, secret, nowMs }: Post): Record<string, string | number> {
  const timestamp = String(Math.floor(nowMs / 1_000));
  const key = Buffer.from(secret, 'base64');
  const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
  return {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    'user-agent': 'cogmesh-webhooks/1',
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': `v1,${signature}`,
  };
}
