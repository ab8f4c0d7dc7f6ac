/** Who submitted a run, as a revocation may name them: kept with the run, and told in the grants of its tasks. */
import type { GrantedAttempt } from '@cogmesh/identity';

type Submitter = NonNullable<GrantedAttempt['submitter']>;

/** As it is kept; a schedule's creator has no token. */
export function submitterText({
  issuer,
  sub,
  tokenId = '',
  keyId,
}: Omit<Submitter, 'tokenId'> & { readonly tokenId?: string }): string {
  const who: Submitter = { issuer, sub, tokenId, ...(keyId === undefined ? {} : { keyId }) };
  return JSON.stringify(who);
}

export function submitterOf(text: string | null): Submitter | undefined {
  return text === null ? undefined : (JSON.parse(text) as Submitter);
}
