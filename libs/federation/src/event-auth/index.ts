export { AuthError } from './auth-error.js';
export type { AuthContext, StateReader } from './auth-context.js';
export { authStateKeys } from './auth-state-keys.js';
export { checkAuth } from './check-auth.js';
export { checkAuthEvents } from './check-auth-events.js';
export { mayRedact } from './may-redact.js';
export { powerLevelsOf, type PowerLevels } from './power-levels-of.js';
export { stateOf } from './state-of.js';
