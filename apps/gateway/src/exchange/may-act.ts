import { CogmeshError } from '@cogmesh/errors';
import type { OutsideSubject } from '@cogmesh/rpc';
import type { PolicyClient } from '../operations/ports.js';

/** Whether policies let somebody act for the subjects of an organisation. Rejects with `unavailable` where nobody can say. */
export async function mayAct(policy: PolicyClient, actor: OutsideSubject, organisation: string): Promise<boolean> {
  const { issuer, sub, roles, tokenId, attributes } = actor;
  const subject = { issuer, sub, organisation: actor.organisation, roles: [...roles], tokenId };
  try {
    const { allowed, obligations } = await policy.decide(
      {
        subject: { ...subject, attributesJson: JSON.stringify(attributes) },
        action: 'act',
        resource: { type: 'path', id: `/organisations/${organisation}` },
        owner: organisation,
      },
      { deadlineMs: 5_000 },
    );
    // None is known here, so a right that comes with one is no right.
    return allowed && obligations.length === 0;
  } catch (cause) {
    const message = 'the policy service cannot be asked now; nobody acts for others without it';
    throw new CogmeshError('unavailable', message, { retryAfterSeconds: 1 }, { cause });
  }
}
