import type { RedactionRules } from '../redaction/redaction-rules.js';

/** What distinguishes one room version from another. Code asks for a flag and never compares version strings. */
export interface RoomVersionRules {
  readonly id: string;
  /** False: `m.room_versions` advertises it as unstable. */
  readonly stable: boolean;
  /** Events are signed by homes that the members' home records name (protocol §3), not by the MXIDs' servers. */
  readonly portable: boolean;
  /**
   * Where an event's id comes from: its server chose it and it stands in the event, whose references are then pairs
   * of an id and hashes (versions 1 and 2); or it is the reference hash, in ordinary (version 3) or URL-safe Base64.
   */
  readonly eventId: 'chosen' | 'hash' | 'url-safe-hash';
  /** v2.1 starts the iterative auth checks from an empty state and adds the conflicted state subgraph (MSC4297). */
  readonly stateResolution: 'v1' | 'v2' | 'v2.1';
  /** The room id is the create event's id with the sigil `!`; that event has no `room_id`, and others don't cite it. */
  readonly roomIdIsCreateHash: boolean;
  /** Creators have infinite power and `additional_creators` exists (MSC4289). */
  readonly privilegedCreators: boolean;
  /** The creator is the create event's sender; there is no `content.creator` (MSC2175, version 11). */
  readonly implicitCreator: boolean;
  /** `redacts` stands in `content`, and redaction keeps what MSC2176 and MSC3821 say (version 11). */
  readonly updatedRedaction: boolean;
  /** The auth rules judge redactions, which then always apply (versions 1 and 2). */
  readonly redactionRule: boolean;
  /** `m.room.aliases` is a type of its own to the auth rules: each server writes its own (up to version 5). */
  readonly aliasesRule: boolean;
  /** Only keys that were valid at the time count (version 5). */
  readonly keyValidity: boolean;
  /** The levels of `notifications` are protected like others (version 6). */
  readonly notificationLevels: boolean;
  readonly restrictedJoins: boolean;
  readonly knocking: boolean;
  readonly knockRestricted: boolean;
  /** Power levels are integers; strings make the event fail (version 10). */
  readonly integerPowerLevels: boolean;
  /** `type` and `state_key` of others' events may have 255 code points, not bytes: so servers count up to version 10. */
  readonly countsCodePoints: boolean;
  /** What survives redaction, which is also what signatures and event ids cover. */
  readonly redaction: RedactionRules;
}
