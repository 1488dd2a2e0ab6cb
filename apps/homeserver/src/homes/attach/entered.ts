import type { Gathered } from './replica-gathering.js';

/** The event by which an account entered a room through this home. */
export interface Entered {
  readonly eventId: string;
  /** The other servers in the room. */
  readonly servers: readonly string[];
}

/** How a room came to this server. */
export interface Brought {
  /** The last event that this server made to enter. */
  readonly entered: string;
  readonly answered: readonly string[];
  /** Who may answer yet. */
  readonly late: Gathered['late'];
  /** Whether that event builds on all that is held here. */
  readonly isBound: boolean;
}
