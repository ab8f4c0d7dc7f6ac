import { randomBytes } from 'node:crypto';

/** Parent of spans that are nobody's request: what is done under it, here and at the other side, is not sampled. */
export function unsampledParent(): string {
  return `00-${randomBytes(16).toString('hex')}-${randomBytes(8).toString('hex')}-00`;
}
