export { resolveState } from './resolve-state.js';
export { withoutRevoked } from './revoked-events.js';
export type { StateResolutionInput } from './state-resolution-input.js';
