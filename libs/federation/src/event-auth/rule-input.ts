import type { RoomEvent } from '../events/index.js';
import type { RoomVersionRules } from '../room-versions/index.js';
import type { AuthContext, Judged, StateReader } from './auth-context.js';
import { AuthError } from './auth-error.js';
import type { PowerLevels } from './power-levels-of.js';
import type { RuleNumbers } from './rule-numbers.js';

/** What each group of rules looks at. */
export interface RuleInput {
  readonly event: RoomEvent;
  readonly state: StateReader;
  readonly create: RoomEvent;
  readonly levels: PowerLevels;
  readonly rules: RoomVersionRules;
  readonly ctx: AuthContext;
  readonly numbers: RuleNumbers;
  readonly judged: Judged;
}

/** Refuses the event under a rule. */
export function reject(rule: string, message: string): never {
  throw new AuthError(rule, message);
}
