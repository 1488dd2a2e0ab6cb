export { resolveState, type StateResolutionInput } from './resolve-state.js';
