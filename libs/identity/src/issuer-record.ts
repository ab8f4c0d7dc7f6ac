/**
 * The issuer registry's entry for one issuer of outside tokens, and its compiled form. Compiling refuses what must never verify
 * anything: symmetric or private keys, unknown algorithms, an endless life. A bad record disables its own issuer only.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { JSONWebKeySet, JWK } from 'jose';
import { jwksUriProblem } from './fetch-key-set.js';
import { keyProblem, staticKeys, type IssuerKeys } from './issuer-keys.js';
import { issuerKeysMaxChars } from './limits.js';

/** A claim by its name, or by a JSON pointer (`/realm_access/roles`). */
export interface ClaimMap {
  /** Default `sub`. */
  readonly subject?: string;
  /** A list of names, or one text with spaces between them. Default `roles`. */
  readonly roles?: string;
  /** What the issuer calls a role -> what it is called here. */
  readonly roleNames?: Readonly<Record<string, string>>;
  /** Attribute -> claim. */
  readonly attributes?: Readonly<Record<string, string>>;
}

export interface IssuerRecord {
  /** Exact `iss`. */
  readonly issuer: string;
  /** The organisation its subjects belong to; never taken from a claim. */
  readonly organisation: string;
  /** JSON Web Key Set, public keys only; empty where `jwksUri` says where they are. */
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
  /** Accepted `typ` headers, lower-case, '' for none. Default, also when empty: `at+jwt`, `jwt` and none; with a profile, the profile's. */
  readonly tokenTypes?: readonly string[];
  /** Pinned: fetched from exactly there. */
  readonly jwksUri?: string;
  readonly claimMap?: ClaimMap;
  /** `at+jwt` holds every token to RFC 9068. */
  readonly profile?: 'at+jwt';
  /** Only tokens bound to a key (RFC 9449). */
  readonly dpopRequired?: boolean;
  /** How long a key that left `jwksUri` still verifies what it signed before, seconds. Default 0. */
  readonly keyOverlapSeconds?: number;
}

/** A record whose keys are published by the issuer. */
export type RemoteIssuer = IssuerRecord & { readonly jwksUri: string };

export interface CompiledIssuer {
  readonly record: IssuerRecord;
  readonly keys: IssuerKeys;
  readonly algorithms: readonly string[];
  readonly tokenTypes: ReadonlySet<string>;
  readonly requiredClaims: readonly string[];
}

export interface CompileOptions {
  /** Keys behind a pinned URI. Default: none that could be used, for whoever only checks a record. */
  readonly keysAt?: (record: RemoteIssuer) => IssuerKeys;
  /** Whether a pinned URI may lead into a private network. */
  readonly allowPrivate?: boolean;
}

const acceptedAlgorithms = ['EdDSA', 'ES256', 'RS256', 'PS256'];
const defaultTokenTypes = ['at+jwt', 'jwt', ''];
const requiredClaims = ['iss', 'sub', 'aud', 'iat', 'exp'];
/** RFC 9068, section 2.2. */
const profileClaims = [...requiredClaims, 'client_id', 'jti'];

/** The record, ready to verify with; throws `invalid_config` saying what is wrong with it. */
export function compileIssuer(record: IssuerRecord, options: CompileOptions = {}): CompiledIssuer {
  const algorithms = record.algorithms.filter((name) => acceptedAlgorithms.includes(name));
  if (algorithms.length === 0) throw unusable(record, `it accepts none of ${acceptedAlgorithms.join(', ')}`);
  if (record.audience === '') throw unusable(record, 'it names no audience');
  if (!(record.maxTtlSeconds > 0)) throw unusable(record, 'its longest token life is not positive');
  return {
    record,
    keys: keysOf(record, options),
    algorithms,
    tokenTypes: tokenTypesOf(record),
    requiredClaims: record.profile === undefined ? requiredClaims : profileClaims,
  };
}

function tokenTypesOf({ tokenTypes, profile }: IssuerRecord): ReadonlySet<string> {
  if (profile !== undefined) return new Set([profile]);
  return new Set(tokenTypes?.length ? tokenTypes : defaultTokenTypes);
}

function keysOf(record: IssuerRecord, { keysAt, allowPrivate = false }: CompileOptions): IssuerKeys {
  if (!isRemote(record)) return staticKeys(publicKeys(record));
  if (record.jwksJson !== '') throw unusable(record, 'it has both a key set and a URI of one');
  const problem = jwksUriProblem(record.jwksUri, { allowPrivate });
  if (problem !== undefined) throw unusable(record, `the URI of its key set is refused: ${problem}`);
  return (keysAt ?? (() => staticKeys({ keys: [] })))(record);
}

/** Whether the issuer publishes its keys itself. */
function isRemote(record: IssuerRecord): record is RemoteIssuer {
  return record.jwksUri !== undefined && record.jwksUri !== '';
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
    const problem = keyProblem(key);
    if (problem !== undefined) throw unusable(record, `its key set holds ${problem}`);
  }
  return { keys: set.keys as JWK[] };
}

function unusable(record: IssuerRecord, why: string, cause?: unknown): CogmeshError {
  return new CogmeshError('invalid_config', `the record of issuer ${record.issuer} is unusable: ${why}`, {}, { cause });
}
