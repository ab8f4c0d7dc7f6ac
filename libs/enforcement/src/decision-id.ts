/**
 * Ids of decisions: ULIDs whose random bytes are drawn some thousands at a time. Drawn one by one, as the library does by
 * itself, they cost more than the decision.
 */
import { randomFillSync } from 'node:crypto';
import { ulid } from 'ulid';

const pool = Buffer.allocUnsafe(4_096);
let used = pool.length;

function fraction(): number {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  return pool.readUInt8(used++) / 256;
}

export const decisionId = (): string => ulid(undefined, fraction);
