import ipaddr from 'ipaddr.js';

/**
 * Whether an IP address belongs to the public internet. Loopback, private, link-local (with the clouds' metadata services),
 * carrier-grade NAT, multicast, documentation and reserved ranges do not; neither do the IPv6 forms that carry an IPv4
 * address inside (6to4, Teredo, NAT64, IPv4-compatible), because they are a way around this very check. Of IPv6 nothing is public but
 * 2000::/3 (RFC 4291 §2.4 and IANA's registry).
 */
export function isPublicAddress(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  // `process` turns ::ffff:a.b.c.d into the IPv4 address that the socket will really go to.
  const parsed = ipaddr.process(address);
  return parsed.range() === 'unicast' && (parsed.kind() === 'ipv4' || parsed.toByteArray()[0]! >> 5 === 1);
}
