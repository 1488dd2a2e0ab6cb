import type { AuthContext } from '../event-auth/index.js';
import type { RoomEvent } from '../events/index.js';
import type { RoomVersionRules } from '../room-versions/index.js';
import type { StateMap } from './split-states.js';

/** What state resolution works on, whatever its version. */
export interface StateResolutionInput {
  rules: RoomVersionRules;
  roomId: string;
  /** The states after each of the previous events; keys are `stateKeyOf`, values event ids. */
  stateSets: readonly StateMap[];
  /**
   * Events by id: those that differ, and the auth chains of all sets. The chain of what does not differ matters as well:
   * without it, events would seem to be in one chain only.
   */
  event(id: string): RoomEvent | undefined;
  isRejected(id: string): boolean;
  ctx: AuthContext;
}
