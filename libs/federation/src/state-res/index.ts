export { resolveState } from './resolve-state.js';
export type { StateResolutionInput } from './state-resolution-input.js';
