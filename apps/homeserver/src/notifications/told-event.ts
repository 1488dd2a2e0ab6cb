import type { JsonObject } from '#federation';
import type { Notification } from '../push/compile-push-rules.js';
import { threadOf } from '../sync/unread/unread-tally.js';

/** Bytes of a content beyond which a gateway is not handed it. */
const MAX_CONTENT = 16 * 1024;
const MAX_NAME = 1_000;

/** An event that people are to be notified of. */
export interface FeedEvent {
  readonly eventId: string;
  readonly type: string;
  readonly sender: string;
  readonly stateKey: string | undefined;
  readonly content: JsonObject;
  /** Position in the timeline; null for an invitation from elsewhere. */
  readonly pos: number | null;
  /** Milliseconds, as its sender says. */
  readonly ts: number;
}

/** How a room and somebody in it are called. */
export interface Names {
  readonly senderName?: string | undefined;
  readonly roomName?: string | undefined;
  readonly roomAlias?: string | undefined;
}

/** What a gateway is told of an event, without counts and devices (push-gateway/push_notifier.yaml): JSON text. */
export function toldEvent(roomId: string, event: FeedEvent, { senderName, roomName, roomAlias }: Names, userId: string, notification: Notification): string {
  const content = JSON.stringify(event.content);
  return JSON.stringify({
    event_id: event.eventId,
    room_id: roomId,
    type: event.type,
    sender: event.sender,
    ...(senderName === undefined ? {} : { sender_display_name: senderName.slice(0, MAX_NAME) }),
    ...(roomName === undefined ? {} : { room_name: roomName.slice(0, MAX_NAME) }),
    ...(roomAlias === undefined ? {} : { room_alias: roomAlias.slice(0, MAX_NAME) }),
    ...(event.stateKey === undefined ? {} : { user_is_target: event.type === 'm.room.member' && event.stateKey === userId }),
    // An encrypted event may be anything.
    prio: notification.highlight || notification.sound !== undefined || event.type === 'm.room.encrypted' ? 'high' : 'low',
    ...(content.length > MAX_CONTENT ? {} : { content: event.content }),
  });
}

/** Thread of an event, as receipts name it. */
export function threadIdOf(event: FeedEvent): string {
  return threadOf(event.content);
}

/** Tweaks of a notification, as gateways are told: JSON text. */
export function tweaksOf({ highlight, sound, actions }: Notification): string {
  const own = actions.flatMap((action) => {
    const { set_tweak: name, value } = typeof action === 'object' ? (action as { set_tweak?: unknown; value?: unknown }) : {};
    return typeof name === 'string' ? [[name, value === undefined ? true : value] as const] : [];
  });
  return JSON.stringify({ ...Object.fromEntries(own), ...(sound === undefined ? {} : { sound }), ...(highlight ? { highlight } : {}) });
}
