/**
 * A key that tokens are bound to (RFC 9449): made in memory, never written anywhere, and a proof of it for each request. Ask the
 * issuer for a token bound to `thumbprint` (`dpop_jkt`, or a proof at its token endpoint), and give key and token to the client.
 */
import { createHash, generateKeyPairSync, randomUUID, sign, type KeyObject } from 'node:crypto';

export interface DpopRequest {
  /** `GET`; of gRPC always `POST`. */
  readonly method: string;
  /** Without query and fragment; of gRPC `https://mesh.example/cogmesh.gateway.v1.GatewayService/GetRun`. */
  readonly url: string;
  /** The token that is presented; absent where none is. */
  readonly token?: string;
}

export class DpopKey {
  readonly #key: KeyObject;
  readonly #jwk: { readonly crv: string; readonly kty: string; readonly x: string; readonly y: string };
  /** RFC 7638, of the public key: what `cnf.jkt` of a token has to be. */
  readonly thumbprint: string;

  /** Makes a new ECDSA key over P-256. */
  constructor() {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const { x = '', y = '' } = publicKey.export({ format: 'jwk' });
    this.#key = privateKey;
    // Members in the order of RFC 7638.
    this.#jwk = { crv: 'P-256', kty: 'EC', x, y };
    this.thumbprint = digest(JSON.stringify(this.#jwk));
  }

  /** A proof for one request; good once, for a minute. */
  proof({ method, url, token }: DpopRequest): string {
    const header = { alg: 'ES256', typ: 'dpop+jwt', jwk: this.#jwk };
    const claims = {
      jti: randomUUID(),
      htm: method,
      htu: url.replace(/[?#].*$/, ''),
      iat: Math.floor(Date.now() / 1_000),
      ...(token === undefined ? {} : { ath: digest(token) }),
    };
    const signed = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
    const signature = sign('sha256', Buffer.from(signed), { key: this.#key, dsaEncoding: 'ieee-p1363' });
    return `${signed}.${signature.toString('base64url')}`;
  }
}

const digest = (text: string): string => createHash('sha256').update(text).digest('base64url');
