import type { RoomEvent } from '#federation';

/** The streams that a sync token holds a position of. */
export const streamNames = ['events', 'account', 'receipts', 'to_device', 'device_lists', 'typing', 'presence'] as const;
export type StreamName = (typeof streamNames)[number];

/** Streams of which nothing is stored: they have no end that a database could tell. */
export const volatileStreams: ReadonlySet<StreamName> = new Set(['typing', 'presence']);

/** An event that is committed and in its room's timeline. */
export interface TimelineEvent {
  readonly event: RoomEvent;
  /** Position in the `events` stream. */
  readonly pos: number;
  /** True when this server made the event, so that this server sends it on. */
  readonly isOwn: boolean;
  /** Server names that are to get the event, without this server. Empty for received events. */
  readonly destinations: readonly string[];
}

export interface MembershipChange {
  readonly userId: string;
  readonly membership: 'join' | 'invite' | 'leave' | 'ban' | 'knock';
  readonly previous: 'join' | 'invite' | 'leave' | 'ban' | 'knock' | null;
  readonly isLocal: boolean;
}

/** What a commit of a room tells: published after the commit, in order per room. */
export interface RoomCommitted {
  readonly kind: 'room';
  readonly roomId: string;
  readonly roomNid: number;
  readonly events: readonly TimelineEvent[];
  /** Own events of earlier that servers which have just come into the room get, too. */
  readonly resent: readonly TimelineEvent[];
  /** Highest position of this commit. All lower positions of the stream are committed too. */
  readonly pos: number;
  /** Accounts on this server that have something new: joined members and subjects of membership changes. */
  readonly users: readonly string[];
  readonly membershipChanges: readonly MembershipChange[];
  /** True when events were put into places below the newest, so that what was read of the timeline is no longer complete. */
  readonly hasHistory: boolean;
  /** Ids of events that are redacted from now on. */
  readonly redacted: readonly string[];
  /** Ids of events beside which there may be something else to tell from now on, as others relate to them; they need not be here. */
  readonly related: readonly string[];
}

/** Something new in a stream for some accounts of this server. */
export interface StreamAdvanced {
  readonly kind: 'stream';
  readonly stream: StreamName;
  readonly pos: number;
  readonly users: readonly string[];
}

/** An EDU to be sent to other servers; only for kinds whose loss does no harm (typing). Reliable ones go through the outbox. */
export type BusMessage = RoomCommitted | StreamAdvanced;

/**
 * Carries what was committed to whoever reacts to it: waiting syncs, federation queues, pushes. Subscribers run in order
 * of subscription, must not throw and must not block.
 */
export abstract class Bus {
  abstract publish(message: BusMessage): void;
  abstract subscribe(listener: (message: BusMessage) => void): () => void;
}
