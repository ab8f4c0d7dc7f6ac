/**
 * A Deployment of Kubernetes, through its scale subresource and nothing else: that is all the service account must be allowed.
 * The token is read for each call, since Kubernetes replaces it.
 */
import { readFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { CogmeshError } from '@cogmesh/errors';
import type { Fleet } from './fleet.js';

export interface KubernetesFleetOptions {
  /** `https://host:port`. */
  readonly server: string;
  readonly namespace: string;
  readonly deployment: string;
  /** Folder with `token` and `ca.crt`. */
  readonly credentials: string;
}

const timeoutMs = 5_000;
const maxAnswerBytes = 1024 * 1024;

export class KubernetesFleet implements Fleet {
  readonly #options: KubernetesFleetOptions;

  constructor(options: KubernetesFleetOptions) {
    this.#options = options;
  }

  async count(): Promise<number> {
    const scale = (await this.#call('GET')) as { readonly spec?: { readonly replicas?: unknown } };
    // The field is left out when it is 0.
    const replicas = scale.spec?.replicas ?? 0;
    if (typeof replicas === 'number' && Number.isInteger(replicas)) return replicas;
    throw new CogmeshError('internal', 'Kubernetes answered a scale without a number of replicas');
  }

  async scale(agents: number): Promise<void> {
    await this.#call('PATCH', JSON.stringify({ spec: { replicas: agents } }));
  }

  /** Its agents outlive the scheduler. */
  stop(): Promise<void> {
    return Promise.resolve();
  }

  async #call(method: 'GET' | 'PATCH', body?: string): Promise<unknown> {
    const { server, namespace, deployment, credentials } = this.#options;
    const url = new URL(`/apis/apps/v1/namespaces/${namespace}/deployments/${deployment}/scale`, server);
    const isSecure = url.protocol === 'https:';
    const token = (await readFile(join(credentials, 'token'), 'utf8')).trim();
    const ca = isSecure ? await readFile(join(credentials, 'ca.crt')) : undefined;
    const headers = {
      accept: 'application/json',
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/merge-patch+json' }),
    };
    const { status, text } = await new Promise<{ status: number; text: string }>((resolve, reject) => {
      const options = { method, headers, signal: AbortSignal.timeout(timeoutMs), ...(ca ? { ca } : {}) };
      const request = (isSecure ? httpsRequest : httpRequest)(url, options, (response) => {
        let answer = '';
        response.setEncoding('utf8');
        response.on('data', (chunk: string) => {
          answer += chunk;
          if (answer.length > maxAnswerBytes) response.destroy(new Error('the answer is too large'));
        });
        response.on('end', () => resolve({ status: response.statusCode ?? 0, text: answer }));
        response.on('error', reject);
      });
      request.on('error', reject);
      request.end(body);
    }).catch((error: unknown) => {
      const why = error instanceof Error ? error.message : String(error);
      throw new CogmeshError('unavailable', `Kubernetes does not answer: ${why}`);
    });
    if (status === 200) return JSON.parse(text) as unknown;
    throw new CogmeshError(
      status === 403 || status === 401 ? 'permission_denied' : 'unavailable',
      `Kubernetes refuses to scale ${namespace}/${deployment} (${status}): ${messageOf(text)}`,
    );
  }
}

/** Of a Kubernetes Status object. */
function messageOf(text: string): string {
  try {
    return String((JSON.parse(text) as { message?: unknown }).message ?? '').slice(0, 500);
  } catch {
    return text.slice(0, 200);
  }
}
