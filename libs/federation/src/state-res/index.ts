export { resolveState, type StateResolutionInput } from './resolve-state.js';
export { SmallestFirst } from './smallest-first.js';
