import { firstDiscoveryStep, type FederationTarget } from '#federation';

/**
 * A web address as a target: a name with a port needs no further discovery.
 *
 * @throws Error for one that is not `https:`, or whose host is none
 */
export function targetOf(url: URL): FederationTarget {
  if (url.protocol !== 'https:') throw new Error(`${url.protocol} is not https:`);
  const step = firstDiscoveryStep(`${url.hostname}:${url.port || '443'}`);
  if (step?.kind !== 'connect') throw new Error(`${url.hostname} is no host`);
  return { ...step.target, hostHeader: url.host };
}
