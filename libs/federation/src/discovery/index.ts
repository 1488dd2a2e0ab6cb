export { firstDiscoveryStep, stepAfterWellKnown, type DiscoveryStep } from './discovery-steps.js';
export { DEFAULT_FEDERATION_PORT, type FederationTarget } from './federation-target.js';
export { targetsOfSrv, type SrvRecord } from './srv-targets.js';
export { MAX_WELL_KNOWN_BYTES, readWellKnown, wellKnownErrorLifetime, type WellKnownResponse } from './well-known.js';
