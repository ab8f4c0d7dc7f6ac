/** What a test's OpenID provider remembers, so that it is still there after the provider was made again with other keys. */
import type { Adapter, AdapterFactory, AdapterPayload } from 'oidc-provider';

export function openIdStore(): AdapterFactory {
  const payloads = new Map<string, AdapterPayload>();
  return (model) => adapterOf(payloads, model);
}

function adapterOf(payloads: Map<string, AdapterPayload>, model: string): Adapter {
  const key = (id: string) => `${model}:${id}`;
  const findBy = async (field: 'uid' | 'userCode', value: string) =>
    [...payloads].find(([name, payload]) => name.startsWith(`${model}:`) && payload[field] === value)?.[1];
  return {
    upsert: async (id, payload) => void payloads.set(key(id), payload),
    find: async (id) => payloads.get(key(id)),
    findByUid: (uid) => findBy('uid', uid),
    findByUserCode: (userCode) => findBy('userCode', userCode),
    consume: async (id) => {
      const payload = payloads.get(key(id));
      if (payload !== undefined) payload['consumed'] = Math.floor(Date.now() / 1_000);
    },
    destroy: async (id) => void payloads.delete(key(id)),
    revokeByGrantId: async (grantId) => {
      for (const [name, payload] of payloads) if (payload.grantId === grantId) payloads.delete(name);
    },
  };
}
