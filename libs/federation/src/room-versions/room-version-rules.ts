import type { RedactionRules } from '../redaction/redaction-rules.js';

/** What distinguishes one room version from another. Code asks for a flag and never compares version strings. */
export interface RoomVersionRules {
  readonly id: string;
  /** False: `m.room_versions` advertises it as unstable. */
  readonly stable: boolean;
  /** Events are signed by homes that the members' home records name (protocol §3), not by the MXIDs' servers. */
  readonly portable: boolean;
  /** v2.1 starts the iterative auth checks from an empty state and adds the conflicted state subgraph (MSC4297). */
  readonly stateResolution: 'v2' | 'v2.1';
  /** The room id is the create event's id with the sigil `!`; that event has no `room_id`, and others don't cite it. */
  readonly roomIdIsCreateHash: boolean;
  /** Creators have infinite power and `additional_creators` exists (MSC4289). */
  readonly privilegedCreators: boolean;
  /** The creator is the create event's sender; there is no `content.creator` (MSC2175, version 11). */
  readonly implicitCreator: boolean;
  /** `redacts` stands in `content`, and redaction keeps what MSC2176 and MSC3821 say (version 11). */
  readonly updatedRedaction: boolean;
  readonly restrictedJoins: boolean;
  readonly knocking: boolean;
  readonly knockRestricted: boolean;
  /** Power levels are integers; strings make the event fail (version 10). */
  readonly integerPowerLevels: boolean;
  /** What survives redaction, which is also what signatures and event ids cover. */
  readonly redaction: RedactionRules;
}
