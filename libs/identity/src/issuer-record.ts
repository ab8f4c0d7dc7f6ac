/**
 * The issuer registry's entry for one issuer of outside tokens, and its compiled form. Compiling refuses what must never verify
 * anything: symmetric or private keys, unknown algorithms, an endless life. A bad record disables its own issuer only.
 */
import { CogmeshError } from '@cogmesh/errors';
import { createLocalJWKSet, type JSONWebKeySet, type JWK } from 'jose';
import { issuerKeysMaxChars } from './limits.js';

export interface IssuerRecord {
  /** Exact `iss`. */
  readonly issuer: string;
  /** The organisation its subjects belong to; never taken from a claim. */
  readonly organisation: string;
  /** JSON Web Key Set, public keys only. */
  readonly jwksJson: string;
  /** EdDSA, ES256, RS256, PS256. */
  readonly algorithms: readonly string[];
  readonly audience: string;
  /** Roles its tokens may claim at all. */
  readonly allowedRoles: readonly string[];
  /** Claims copied into subject attributes. */
  readonly allowedAttributes: readonly string[];
  /** Longest accepted exp - iat, seconds. */
  readonly maxTtlSeconds: number;
  readonly suspended: boolean;
  /** Accepted `typ` headers, lower-case, '' for none. Default, also when empty: `at+jwt`, `jwt` and none. */
  readonly tokenTypes?: readonly string[];
}

export interface CompiledIssuer {
  readonly record: IssuerRecord;
  readonly keys: ReturnType<typeof createLocalJWKSet>;
  readonly algorithms: readonly string[];
  readonly tokenTypes: ReadonlySet<string>;
}

const acceptedAlgorithms = ['EdDSA', 'ES256', 'RS256', 'PS256'];
const defaultTokenTypes = ['at+jwt', 'jwt', ''];

/** The record, ready to verify with; throws `invalid_config` saying what is wrong with it. */
export function compileIssuer(record: IssuerRecord): CompiledIssuer {
  const algorithms = record.algorithms.filter((name) => acceptedAlgorithms.includes(name));
  if (algorithms.length === 0) throw unusable(record, `it accepts none of ${acceptedAlgorithms.join(', ')}`);
  if (record.audience === '') throw unusable(record, 'it names no audience');
  if (!(record.maxTtlSeconds > 0)) throw unusable(record, 'its longest token life is not positive');
  return {
    record,
    keys: createLocalJWKSet(publicKeys(record)),
    algorithms,
    tokenTypes: new Set(record.tokenTypes?.length ? record.tokenTypes : defaultTokenTypes),
  };
}

function publicKeys(record: IssuerRecord): JSONWebKeySet {
  if (record.jwksJson.length > issuerKeysMaxChars)
    throw unusable(record, `its key set is over ${issuerKeysMaxChars} characters`);
  let set: { keys?: unknown };
  try {
    set = JSON.parse(record.jwksJson) as { keys?: unknown };
  } catch (error) {
    throw unusable(record, 'its key set is not JSON', error);
  }
  if (!Array.isArray(set.keys) || set.keys.length === 0) throw unusable(record, 'its key set holds no keys');
  for (const key of set.keys as JWK[]) {
    if (key.kty === 'oct') throw unusable(record, 'its key set holds a symmetric key');
    if ('d' in key) throw unusable(record, 'its key set holds a private key');
  }
  return { keys: set.keys as JWK[] };
}

function unusable(record: IssuerRecord, why: string, cause?: unknown): CogmeshError {
  return new CogmeshError('invalid_config', `the record of issuer ${record.issuer} is unusable: ${why}`, {}, { cause });
}
