/**
 * One caller whose token, subject, issuer, key or partner grant is revoked, and the doors that have to refuse it: the gateway over HTTP and the
 * sidecar of the scheduler over gRPC. Revoking goes by permits made here, so that it works whoever is revoked.
 */
import { revocationV1, schedulerV1 } from '@cogmesh/contracts';
import { loadServiceIdentity, mintDevelopmentToken } from '@cogmesh/identity';
import { createClient, openChannel } from '@cogmesh/rpc';

export const GRANT_ID = 'grant-acme-globex';
export const MODEL = '/models/acme/ocr';
const HOUR_SECONDS = 3_600;
const LIST_RUNS = `/${schedulerV1.SchedulerService.typeName}/ListRuns`;
const { RevocationKind } = revocationV1;

/** What is revoked, by whom, and what the victim asks for. */
export const kinds = {
  token: {
    owner: 'globex',
    thingOf: ({ issuer, tokenId }) => ({ kind: RevocationKind.TOKEN, issuer, value: tokenId }),
  },
  subject: { owner: 'globex', thingOf: ({ issuer, sub }) => ({ kind: RevocationKind.SUBJECT, issuer, value: sub }) },
  issuer: { owner: 'globex', thingOf: ({ issuer }) => ({ kind: RevocationKind.ISSUER, issuer, value: '' }) },
  key: { owner: 'globex', thingOf: ({ issuer, keyId }) => ({ kind: RevocationKind.KEY, issuer, value: keyId }) },
  grant: {
    owner: 'acme',
    thingOf: () => ({ kind: RevocationKind.GRANT, issuer: '', value: GRANT_ID }),
    resource: MODEL,
  },
};

const partOf = (token, at) => JSON.parse(Buffer.from(token.split('.')[at], 'base64url').toString());

export async function openDoors({ keysDir, url, addressOf }) {
  const gateway = await loadServiceIdentity(keysDir, 'gateway');
  const channels = ['policy-sidecar', 'scheduler-sidecar'].map((name) => openChannel({ target: addressOf(name) }));
  const policy = createClient(revocationV1.RevocationService, channels[0]);
  const scheduler = createClient(schedulerV1.SchedulerService, channels[1]);
  const permitted = async (request) => ({
    metadata: { authorization: `Bearer ${await gateway.mintPermit(request)}` },
  });
  const asAdministrator = (organisation, method) =>
    permitted({
      audience: 'policy',
      method: `/${revocationV1.RevocationService.typeName}/${method}`,
      access: [{ action: 'write', resource: '/revocations' }],
      subject: {
        ...{ issuer: 'https://operations.example', sub: 'operations', organisation, roles: ['admin'] },
        ...{ tokenId: '', attributes: {} },
      },
    });

  return {
    close: () => channels.forEach((channel) => channel.close()),
    revoke: async (organisation, thing) =>
      policy.revoke({ organisation, thing }, await asAdministrator(organisation, 'Revoke')),
    lift: async (organisation, thing) =>
      policy.lift({ organisation, thing }, await asAdministrator(organisation, 'Lift')),
    async victim(organisation, sub) {
      const issuerName = organisation === 'acme' ? 'development' : organisation;
      const token = await mintDevelopmentToken(keysDir, {
        sub,
        roles: ['reader'],
        ttlSeconds: HOUR_SECONDS,
        issuerName,
      });
      const { iss: issuer, jti: tokenId } = partOf(token, 1);
      const { kid: keyId } = partOf(token, 0);
      return { token, subject: { issuer, sub, organisation, roles: ['reader'], tokenId, keyId, attributes: {} } };
    },
    /** Whether the gateway lets the victim in, or, with a resource, infer on it. */
    async gateway({ token, subject }, resource) {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      if (resource === undefined) {
        const response = await fetch(`${url}/v1/whoami`, { headers });
        await response.arrayBuffer();
        return response.ok;
      }
      const question = {
        subject: { type: 'user', id: subject.sub },
        action: { name: 'infer' },
        resource: { type: 'model', id: resource.replace('/models/', '') },
      };
      const body = JSON.stringify(question);
      const response = await fetch(`${url}/access/v1/evaluation`, { method: 'POST', headers, body });
      return (await response.json()).decision === true;
    },
    /** Whether the sidecar lets a permit through such as the victim had before. */
    async sidecar({ subject }, resource) {
      const access = resource === undefined ? { action: 'list', resource: '/runs' } : { action: 'infer', resource };
      const call = await permitted({ audience: 'scheduler', method: LIST_RUNS, access: [access], subject });
      return scheduler.listRuns({}, call).then(
        () => true,
        () => false,
      );
    },
  };
}
