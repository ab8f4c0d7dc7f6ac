/**
 * The public keys of one issuer, as the verifier sees them, and what keeps a key from ever verifying anything. Keys of two
 * issuers are never in one set.
 */
import { createLocalJWKSet, type JSONWebKeySet, type JWK, type JWTVerifyGetKey } from 'jose';

export interface IssuerKeys {
  /** The key that a token's header names. Throws jose's errors, or `unavailable` when the keys cannot be had. */
  readonly find: JWTVerifyGetKey;
  /** Rises when a key stops being good: what was verified before is then verified again. */
  readonly generation: number;
  /** Whether what the key `kid` signed at that time counts, milliseconds since 1970. */
  goodFor(kid: unknown, issuedAtMs: number): boolean;
  /** Called at each use, also of a remembered token: looks for changed keys in the background when it is time to. */
  watch(): void;
}

/** Keys that stand in the issuer's record. */
export function staticKeys(set: JSONWebKeySet): IssuerKeys {
  return { find: createLocalJWKSet(set), generation: 0, goodFor: () => true, watch: () => undefined };
}

const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];
const rsaMinBits = 2_048;

/** Why the key must not be used at all; undefined for a public key that may verify signatures. */
export function keyProblem(jwk: JWK): string | undefined {
  if (jwk.kty === 'oct') return 'a symmetric key';
  if (privateMembers.some((member) => member in jwk)) return 'a private key';
  if (jwk.kty === 'RSA') return rsaProblem(jwk);
  if (jwk.kty !== 'EC' && jwk.kty !== 'OKP') return 'a key of an unknown kind';
  return undefined;
}

function rsaProblem({ n, e }: JWK): string | undefined {
  const modulus = Buffer.from(n ?? '', 'base64url');
  const [first = 0] = modulus;
  const bits = modulus.length * 8 - (first === 0 ? 8 : Math.clz32(first) - 24);
  if (bits < rsaMinBits) return `an RSA key of under ${rsaMinBits} bits`;
  const exponent = BigInt(`0x${Buffer.from(e ?? '', 'base64url').toString('hex') || '0'}`);
  return exponent < 3n || exponent % 2n === 0n ? 'an RSA key with a useless exponent' : undefined;
}
