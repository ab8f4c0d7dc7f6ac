/** The `authorization` header of an inside call: which kind of token it carries, judged by its `typ` before anything is verified. */
import { CogmeshError } from '@cogmesh/errors';
import { tokenKinds, typeOfToken } from '@cogmesh/identity';
import { remembered } from './remembered.js';

export type Credentials = { readonly kind: 'service' | 'permit'; readonly token: string };

/** Throws `unauthenticated` without a bearer token, `invalid_token` for one of no kind that is accepted here. */
export function credentialsOf(metadata: ReadonlyMap<string, string>): Credentials {
  const [, token] = /^Bearer ([^\s]+)$/i.exec(metadata.get('authorization') ?? '') ?? [];
  if (token === undefined) {
    throw new CogmeshError(
      'unauthenticated',
      'the call carries no bearer token; inside the mesh it needs a permit or a service token',
    );
  }
  const kind = credentialKind(token);
  if (kind !== undefined) return { kind, token };
  throw new CogmeshError(
    'invalid_token',
    'the bearer token is neither a permit nor a service token; outside tokens go to the gateway',
  );
}

/** Which inside credential the token says it is; undefined for any other. Verifies nothing. */
export function credentialKind(token: string): Credentials['kind'] | undefined {
  const end = token.indexOf('.');
  const kind = kindOfHeader(token.slice(0, end === -1 ? 0 : end));
  return kind === 'other' ? undefined : kind;
}

/** By the token's first part alone: every token of one kind and key begins with the same. */
const kindOfHeader = remembered((header): Credentials['kind'] | 'other' => {
  const type = typeOfToken(`${header}..`);
  if (type === tokenKinds.permit.typ) return 'permit';
  return type === tokenKinds.service.typ ? 'service' : 'other';
});
