import { parseServerName } from '../identifiers/server-name.js';
import { DEFAULT_FEDERATION_PORT, type FederationTarget } from './federation-target.js';

/** As node:dns resolves it. */
export interface SrvRecord {
  readonly name: string;
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
}

/** Records beyond this are ignored: nobody waits for that many attempts. */
const MAX_RECORDS = 16;

/**
 * Where to connect after an SRV look-up, in the order to try: lower priority first, among equals at random by weight
 * (RFC 2782). Without usable records that is the host itself on port 8448. Certificate and `Host` stay those of the name
 * that was looked up, because DNS does not prove anything.
 *
 * @param hostname That of the `srv` step.
 * @param random Numbers from 0 up to but excluding 1.
 */
export function targetsOfSrv(
  hostname: string, records: readonly SrvRecord[], random: () => number,
): FederationTarget[] {
  const usable = records.filter(({ name, port }) => port > 0 && port <= 65_535 && isHost(name)).slice(0, MAX_RECORDS);
  const places = usable.length > 0
    ? orderByPriority(usable, random).map(({ name, port }) => ({ host: name.replace(/\.$/, ''), port }))
    : [{ host: hostname, port: DEFAULT_FEDERATION_PORT }];
  return places.map(({ host, port }) => ({
    host, port, hostHeader: hostname, certificateName: hostname, isIpLiteral: parseServerName(host)?.isIpLiteral ?? false,
  }));
}

/**
 * The target `.` says that there is no such service. Underscores are no host names, but names in container networks have
 * them; addresses are against the RFC, but people publish them.
 */
function isHost(name: string): boolean {
  return /^[A-Za-z0-9._-]{1,255}$/.test(name) && name !== '.';
}

function orderByPriority(records: readonly SrvRecord[], random: () => number): SrvRecord[] {
  const ordered: SrvRecord[] = [];
  for (const priority of [...new Set(records.map((record) => record.priority))].sort((a, b) => a - b)) {
    const open = records.filter((record) => record.priority === priority);
    // Weight 0 goes to the front, where it has a very small chance of being drawn first.
    open.sort((a, b) => Number(a.weight > 0) - Number(b.weight > 0));
    while (open.length > 0) {
      let draw = Math.floor(random() * (open.reduce((sum, record) => sum + record.weight, 0) + 1));
      ordered.push(...open.splice(open.findIndex((record) => (draw -= record.weight) <= 0), 1));
    }
  }
  return ordered;
}
