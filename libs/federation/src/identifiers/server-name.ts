/** A server name in its parts. */
export interface ParsedServerName {
  /** DNS name as written, or IP address; IPv6 without its brackets. */
  readonly host: string;
  readonly port?: number;
  readonly isIpLiteral: boolean;
}

// The grammar's limit for the host is 255; identifiers have 255 bytes with it.
const MAX_LENGTH = 255;
const SERVER_NAME = /^(?:\[(?<ipv6>[0-9A-Fa-f:.]{2,45})\]|(?<name>[A-Za-z0-9.-]{1,255}))(?::(?<port>[0-9]{1,5}))?$/;

/** Splits a server name (appendices, §Server name); undefined when it is none. Names are case-sensitive. */
export function parseServerName(text: string): ParsedServerName | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  const { ipv6, name, port } = SERVER_NAME.exec(text)?.groups ?? {};
  if (port !== undefined && Number(port) > 65_535) return undefined;
  if (ipv6 !== undefined && !isIpv6(ipv6)) return undefined;
  const host = ipv6 ?? name;
  if (host === undefined) return undefined;
  return { host, ...(port !== undefined && { port: Number(port) }), isIpLiteral: ipv6 !== undefined || isIpv4(host) };
}

export function isServerName(text: string): boolean {
  return parseServerName(text) !== undefined;
}

/** Four decimal numbers up to 255. What only resembles one, such as `1.2.3.400`, is a DNS name that nobody can own. */
function isIpv4(host: string): boolean {
  const parts = host.split('.');
  return parts.length === 4 && parts.every((part) => /^[0-9]{1,3}$/.test(part) && Number(part) <= 255);
}

/** RFC 3513 §2.2: eight groups, one run of zeros as `::`, perhaps an IPv4 address as the last two groups. */
function isIpv6(host: string): boolean {
  const halves = host.split('::');
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => (half === '' ? [] : half.split(':')));
  let count = groups.length;
  if (groups.at(-1)?.includes('.')) {
    if (!isIpv4(groups.pop()!)) return false;
    count++; // it stands for two groups, and one is counted
    if (halves.at(-1) === '') return false;
  }
  if (!groups.every((group) => /^[0-9A-Fa-f]{1,4}$/.test(group))) return false;
  return halves.length === 2 ? count < 8 : count === 8;
}
