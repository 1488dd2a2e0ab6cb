import type { RoomEvent } from '#federation';
import type { MembershipChange } from '../../bus/bus.js';
import type { NewSnapshot } from '../state/snapshot.js';
import type { StateChange } from '../state/room-state.js';
import type { EventStatus } from '../timeline/stored-event.js';

/** An event to be stored. */
export interface NewEvent {
  readonly nid: number;
  readonly event: RoomEvent;
  readonly status: EventStatus;
  /** Whether it goes to the end of the timeline; its position is given at the commit. */
  readonly inTimeline: boolean;
  /** Position of backfilled history (negative), given beforehand. */
  readonly historyPos?: number;
  readonly stateNid: number | null;
  readonly isOwn: boolean;
  readonly txn: string | null;
  readonly deviceId: string | null;
  readonly clientTxn: string | null;
  /** Set when the event was known as an outlier: its row is updated. */
  readonly wasOutlier: boolean;
  /** Servers to send the event to. */
  readonly destinations: readonly string[];
  /** Filled in at the commit. */
  pos: number | null;
}

/** One change of the current state. */
export interface StateStep extends StateChange {
  /** Event of this commit, in the timeline, whose position the change carries. */
  readonly at: NewEvent;
}

/** An own event of earlier, or of the same commit, that goes to more servers than it did. */
export interface ResentEvent {
  readonly item: Pick<NewEvent, 'event' | 'pos'>;
  readonly destinations: readonly string[];
}

/** What a local account's room list is to say. */
export interface LocalMembership {
  readonly userId: string;
  readonly membership: MembershipChange['membership'];
  readonly eventNid: number;
  readonly sender: string;
  readonly strippedState: string | null;
  /** Servers through which the room can be reached; of knocks at rooms elsewhere. */
  readonly via?: readonly string[];
  /** Whether another home of the account told of it. */
  readonly isReplica?: boolean;
}

/** A redaction to be applied: the target's JSON is replaced by its redacted form. */
export interface AppliedRedaction {
  readonly targetId: string;
  readonly redactedJson: string;
  /** The event that the target related to until then; null for none. */
  readonly parentId: string | null;
  readonly redactionId: string;
}

/** An event that is not here, and the event of the same commit that names it. */
export interface MissingEvent {
  readonly eventId: string;
  readonly child: NewEvent;
}

/** Everything that one commit of one room writes: all of it or nothing. */
export interface RoomCommit {
  readonly roomNid: number;
  readonly roomId: string;
  /** Set when the room is new. */
  readonly created: { readonly version: string } | null;
  readonly events: readonly NewEvent[];
  readonly resent: readonly ResentEvent[];
  readonly snapshots: readonly NewSnapshot[];
  readonly stateNid: number | null;
  /** In order: a state that changed several times stands here as often. */
  readonly stateChanges: readonly StateStep[];
  /** Event nids of the new forward extremities. */
  readonly extremities: readonly number[];
  readonly localMemberships: readonly LocalMembership[];
  readonly membershipChanges: readonly MembershipChange[];
  readonly redactions: readonly AppliedRedaction[];
  readonly pendingRedactions: readonly { readonly targetId: string; readonly eventId: string }[];
  /** Missing events that were heard of, with who names them, and those that are missing no longer. */
  readonly missing: readonly MissingEvent[];
  readonly found: readonly string[];
  /** Local accounts to wake: joined members and subjects of changes. */
  readonly users: readonly string[];
}
