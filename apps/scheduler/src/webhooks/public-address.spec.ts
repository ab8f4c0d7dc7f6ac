import { isPublicAddress, publicLookup } from '@cogmesh/rpc';
import { describe, expect, it } from 'vitest';
import { startReceiver } from '../../test/receiver.js';
import { postWebhook } from './post-webhook.js';

describe('an address', () => {
  it.each(['8.8.8.8', '172.15.255.255', '172.32.0.1', '100.63.0.1', '2606:4700::1111', '2a00:1450::1'])(
    '%s is public',
    (address) => {
      expect(isPublicAddress(address)).toBe(true);
    },
  );
  it.each([
    '0.0.0.0', '10.1.2.3', '100.64.0.1', '127.0.0.1', '127.9.9.9', '169.254.169.254', '172.16.0.1', '172.31.255.255',
    '192.168.1.1', '192.0.0.8', '198.18.0.1', '203.0.113.9', '224.0.0.1', '255.255.255.255', '::', '::1',
    '::ffff:10.0.0.1', '::ffff:8.8.8.8', '::127.0.0.1', '64:ff9b::a00:1', '2001::1', '2001:db8::1', '2002:a00:1::1',
    'fc00::1', 'fd12::1', 'fe80::1', 'fe80::1%eth0', 'ff02::1', 'localhost', '',
  ])('%s is not public', (address) => {
    expect(isPublicAddress(address)).toBe(false);
  }); // prettier-ignore
});

describe('a call where private addresses are not allowed', () => {
  const post = (url: string, allowPrivate = false) =>
    postWebhook({ url, id: 'delivery_1', body: '{}', secret: 'c2VjcmV0', nowMs: 0 }, { allowPrivate, timeoutMs: 200 });

  it.each(['127.0.0.1', '[::1]', '0x7f000001', '2130706433', '127.1', '[::ffff:127.0.0.1]', 'localhost', 'LOCALHOST'])(
    'does not reach %s',
    async (host) => {
      const receiver = await startReceiver();
      try {
        const url = receiver.url.replace('127.0.0.1', host);
        await expect(post(url)).rejects.toThrow('not an address of the public internet');
        expect(receiver.calls).toHaveLength(0);
        await post(receiver.url, true);
        expect(receiver.calls).toHaveLength(1);
      } finally {
        await receiver.close();
      }
    },
  );

  it('is made to the address that was checked: the socket asks this look-up, in both of its forms', async () => {
    for (const all of [true, false]) {
      const error = await new Promise((resolve) => publicLookup('localhost', { all }, (failure) => resolve(failure)));
      expect(String(error)).toContain('not an address of the public internet');
    }
  });

  it('ends when no answer comes in time', async () => {
    const receiver = await startReceiver();
    receiver.answers.push('silent');
    try {
      await expect(post(receiver.url, true)).rejects.toThrow('no answer in time');
    } finally {
      await receiver.close();
    }
  });
});
