import ipaddr from 'ipaddr.js';

/**
 * Whether an address lies on the public internet. Everything special is not: loopback, private, link-local (there the
 * metadata servers are), shared, documentation, multicast, and each way to spell an IPv4 address as an IPv6 one.
 */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.parse(address);
  return parsed.range() === 'unicast' && !(parsed.kind() === 'ipv6' && isOutsideGlobalUnicast(address));
}

/** 2000::/3 is all that was given out; what lies outside of it is a private arrangement. */
function isOutsideGlobalUnicast(address: string): boolean {
  return !ipaddr.IPv6.parse(address).match(ipaddr.IPv6.parse('2000::'), 3);
}
