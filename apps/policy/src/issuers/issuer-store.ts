import type { IssuerRecord } from '@cogmesh/identity';

/** Where the issuer registry is kept. An `iss` belongs to one organisation for as long as it is registered. */
export interface IssuerStore {
  /** False when the `iss` is registered for another organisation; then nothing changed. */
  put(record: IssuerRecord): Promise<boolean>;
  find(issuer: string): Promise<IssuerRecord | undefined>;
  list(): Promise<IssuerRecord[]>;
  /** False when there was none. */
  delete(issuer: string): Promise<boolean>;
}
