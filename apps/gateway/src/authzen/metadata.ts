/**
 * The discovery document. A decision point's identifier is the URL under which it is asked, and a client refuses a document
 * that names another one; so it is configured, or, on a loopback listener alone, taken from the loopback name of the request.
 */
import { CogmeshError } from '@cogmesh/errors';

export interface Metadata {
  readonly policy_decision_point: string;
  readonly access_evaluation_endpoint: string;
  readonly access_evaluations_endpoint: string;
  readonly search_subject_endpoint: string;
  readonly search_resource_endpoint: string;
  readonly search_action_endpoint: string;
  readonly capabilities: readonly string[];
}

export interface MetadataRules {
  /** Origin and perhaps path, without a slash at the end; empty where none is configured. */
  readonly url: string;
  /** The listener is loopback only. */
  readonly loopback: boolean;
  readonly scheme: 'http' | 'https';
}

const tenantForm = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const loopbackHost = /^(?:localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])(?::\d{1,5})?$/i;

/**
 * The same for every tenant but for the identifier: whose policies decide follows from the token, and whether an
 * organisation exists is nobody's to find out here. Rejects with `not_found` where no identifier can be told.
 */
export function metadataFor(rules: MetadataRules, host: string | undefined, tenant?: string): Metadata {
  const base = baseOf(rules, host);
  if (base === undefined)
    throw new CogmeshError('not_found', 'this decision point has no public URL; set COGMESH_AUTHZEN_URL');
  if (tenant !== undefined && !tenantForm.test(tenant))
    throw new CogmeshError('not_found', 'there is no decision point of that name');
  const endpoint = (name: string) => `${base}/access/v1/${name}`;
  return {
    policy_decision_point: tenant === undefined || isPathOf(base, tenant) ? base : `${base}/${tenant}`,
    access_evaluation_endpoint: endpoint('evaluation'),
    access_evaluations_endpoint: endpoint('evaluations'),
    search_subject_endpoint: endpoint('search/subject'),
    search_resource_endpoint: endpoint('search/resource'),
    search_action_endpoint: endpoint('search/action'),
    capabilities: ['urn:ietf:params:authzen:capability:search-pagination'],
  };
}

/** A decision point with a path is asked for its document with that path behind the well-known name, as a tenant is. */
const isPathOf = (base: string, tenant: string): boolean => new URL(base).pathname === `/${tenant}`;

function baseOf({ url, loopback, scheme }: MetadataRules, host: string | undefined): string | undefined {
  if (url !== '') return url;
  return loopback && host !== undefined && loopbackHost.test(host) ? `${scheme}://${host}` : undefined;
}

/** A configured URL as an identifier; `invalid_config` when it cannot be one. */
export function decisionPointUrl(text: string): string {
  if (text === '') return '';
  const url = URL.parse(text);
  const web = url?.protocol === 'https:' || (url?.protocol === 'http:' && loopbackHost.test(url.host));
  if (url === null || !web || url.search !== '' || url.hash !== '' || url.username !== '' || /[?#]/.test(text))
    throw new CogmeshError(
      'invalid_config',
      `COGMESH_AUTHZEN_URL: ${JSON.stringify(text)} must be an https URL (http for loopback) without query and fragment`,
    );
  return text.replace(/\/+$/, '');
}
