/** Whom the grants of a set are given to, from their payloads; signatures are for the policy service to check. */
export function grantees(grants: readonly string[]): string[] {
  return [...new Set(grants.flatMap(granteeOf))];
}

function granteeOf(jws: string): string[] {
  try {
    const payload = JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString()) as { grantee?: unknown };
    return typeof payload.grantee === 'string' ? [payload.grantee] : [];
  } catch {
    return [];
  }
}
