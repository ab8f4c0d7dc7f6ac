/**
 * Which addresses a call to a place that somebody else named may reach (webhooks, published key sets): only those of the
 * public internet. The check is part of the look-up that the socket itself does, so the address that was checked is the address that is connected to, whatever DNS answers next.
 */
import { lookup as dnsLookup } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { CogmeshError } from '@cogmesh/errors';

const notPublic4 = new BlockList();
for (const [network, prefix] of [
  ['0.0.0.0', 8], ['10.0.0.0', 8], ['100.64.0.0', 10], ['127.0.0.0', 8], ['169.254.0.0', 16], ['172.16.0.0', 12],
  ['192.0.0.0', 24], ['192.0.2.0', 24], ['192.88.99.0', 24], ['192.168.0.0', 16], ['198.18.0.0', 15],
  ['198.51.100.0', 24], ['203.0.113.0', 24], ['224.0.0.0', 3],
] as const) notPublic4.addSubnet(network, prefix, 'ipv4'); // prettier-ignore

/** Global unicast, and of it what is special: Teredo, benchmarks, documentation, 6to4. */
const global6 = new BlockList();
global6.addSubnet('2000::', 3, 'ipv6');
const notPublic6 = new BlockList();
for (const [network, prefix] of [
  ['2001::', 23], ['2001:db8::', 32], ['2002::', 16], ['3fff::', 20],
] as const) notPublic6.addSubnet(network, prefix, 'ipv6'); // prettier-ignore

/** Whether an IP address is global unicast, and none that is special. */
export function isPublicAddress(address: string): boolean {
  if (isIP(address) === 4) return !notPublic4.check(address, 'ipv4');
  // Zones (fe80::1%eth0) and IPv4 in IPv6 are outside of global unicast.
  if (isIP(address) === 6 && !address.includes('%'))
    return global6.check(address, 'ipv6') && !notPublic6.check(address, 'ipv6');
  return false;
}

/** Throws `invalid_argument` when the host is an address, and not a public one. A socket does not look such a host up. */
export function assertPublicHost(hostname: string): void {
  const address = hostname.replace(/^\[|\]$/g, '');
  if (isIP(address) !== 0 && !isPublicAddress(address)) throw refused(address, address);
}

/** For `http.request({ lookup })`: fails unless every address of the name is public. */
export const publicLookup: LookupFunction = (hostname, options, callback) => {
  dnsLookup(hostname, { ...options, all: true }, (error, addresses) => {
    const blocked = addresses?.find(({ address }) => !isPublicAddress(address));
    const first = addresses?.[0];
    if (error) callback(error, '', 0);
    else if (blocked) callback(refused(hostname, blocked.address), '', 0);
    else if (options.all === true) callback(null, addresses);
    else callback(null, first?.address ?? '', first?.family ?? 0);
  });
};

const refused = (host: string, address: string): CogmeshError =>
  new CogmeshError('invalid_argument', `${host} is ${address}, which is not an address of the public internet`);
