import { parseServerName } from '../identifiers/server-name.js';
import { DEFAULT_FEDERATION_PORT, type FederationTarget } from './federation-target.js';

/** What to do next for a server name. The doing (HTTP, DNS) is the caller's. */
export type DiscoveryStep =
  /** Connect there; discovery is over. */
  | { readonly kind: 'connect'; readonly target: FederationTarget }
  /** Fetch `https://<hostname>/.well-known/matrix/server`, then call `stepAfterWellKnown`. */
  | { readonly kind: 'well-known'; readonly hostname: string }
  /** Look up the SRV records of `names` in this order until one has some, then call `targetsOfSrv`. */
  | { readonly kind: 'srv'; readonly hostname: string; readonly names: readonly string[] };

/**
 * The first step (server-server API, §Resolving server names, 1 to 3): IP literals and explicit ports are final, else the
 * well-known file is asked. Undefined when the text is no server name.
 */
export function firstDiscoveryStep(serverName: string): DiscoveryStep | undefined {
  const target = explicitTarget(serverName);
  if (target) return { kind: 'connect', target };
  const hostname = parseServerName(serverName)?.host;
  return hostname === undefined ? undefined : { kind: 'well-known', hostname };
}

/**
 * The step after the well-known file (3.1 to 3.4, 4 and 5). A delegated name is not asked for a well-known file of its
 * own, so there is no loop.
 *
 * @param hostname That of the `well-known` step.
 * @param delegated What `readWellKnown` found; undefined when the file was missing or unusable.
 */
export function stepAfterWellKnown(hostname: string, delegated: string | undefined): DiscoveryStep {
  const target = delegated === undefined ? undefined : explicitTarget(delegated);
  if (target) return { kind: 'connect', target };
  const name = delegated ?? hostname;
  // The second name is deprecated since v1.8, and still the only one that many servers publish.
  return { kind: 'srv', hostname: name, names: [`_matrix-fed._tcp.${name}`, `_matrix._tcp.${name}`] };
}

/** The target of a name that needs no look-up but the address: an IP literal, or an explicit port. */
function explicitTarget(serverName: string): FederationTarget | undefined {
  const parsed = parseServerName(serverName);
  if (!parsed || (!parsed.isIpLiteral && parsed.port === undefined)) return undefined;
  return {
    host: parsed.host,
    port: parsed.port ?? DEFAULT_FEDERATION_PORT,
    hostHeader: serverName,
    certificateName: parsed.host,
    isIpLiteral: parsed.isIpLiteral,
  };
}
