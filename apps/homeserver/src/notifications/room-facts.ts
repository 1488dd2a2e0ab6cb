import { Injectable } from '@nestjs/common';
import type { Pdu } from '#federation';
import { parseStoredJson } from '#json';
import { type NotificationPowers, notificationPowers } from '../push/notification-powers.js';
import { RoomRegistry } from '../rooms/room-registry.js';
import type { RoomView } from '../rooms/room-view.js';
import { InvitationsStore } from '../rooms/pipeline/invitations.store.js';
import type { FeedEvent, Names } from './told-event.js';

/** What is asked of a room to notify its people. */
export interface RoomFacts {
  readonly memberCount: number;
  readonly powers: NotificationPowers;
  readonly roomName: string | undefined;
  readonly roomAlias: string | undefined;
  /** Of those that were asked for. */
  readonly members: ReadonlyMap<string, { readonly membership: string; readonly displayName: string | undefined }>;
}

/** Reads rooms for notifications, from memory. */
@Injectable()
export class RoomFactsReader {
  constructor(
    private readonly registry: RoomRegistry,
    private readonly invitations: InvitationsStore,
  ) {}

  /** As the room is after everything that was told of it; undefined where it is not here. */
  async of(roomId: string, userIds: ReadonlySet<string>): Promise<RoomFacts | undefined> {
    const room = await this.registry.find(roomId);
    // In the room's queue: what was committed is in its state then.
    return room?.run(() => factsOf(room, userIds));
  }

  /** An invitation to a room that is not here, with what came along with it. */
  async invitation(userId: string, roomId: string): Promise<{ event: FeedEvent; names: Names } | undefined> {
    const held = (await this.invitations.ofUser(userId)).find((one) => one.roomId === roomId && one.membership === 'invite');
    if (!held) return undefined;
    const { type, sender, state_key: stateKey, content, origin_server_ts: ts } = parseStoredJson(held.json) as unknown as Pdu;
    const state = strippedState(held.strippedState);
    const textOf = (wanted: string, key: string, member: string): string | undefined =>
      textIn(state.find((one) => one.type === wanted && one.state_key === key)?.content?.[member]);
    return {
      event: { eventId: held.eventId, type, sender, stateKey, content, pos: null, ts },
      names: { senderName: textOf('m.room.member', sender, 'displayname'), roomName: textOf('m.room.name', '', 'name'), roomAlias: textOf('m.room.canonical_alias', '', 'alias') },
    };
  }
}

function factsOf(room: RoomView, userIds: ReadonlySet<string>): RoomFacts {
  const { state } = room;
  const content = (type: string, key: string) => state.get(type, key)?.pdu.content ?? {};
  const members = [...userIds].map((userId) => {
    const own = content('m.room.member', userId);
    return [userId, { membership: textIn(own['membership']) ?? 'leave', displayName: textIn(own['displayname']) }] as const;
  });
  return {
    memberCount: state.joined.size,
    powers: notificationPowers(room.rules, state.get('m.room.create', ''), state.get('m.room.power_levels', '')),
    roomName: textIn(content('m.room.name', '')['name']),
    roomAlias: textIn(content('m.room.canonical_alias', '')['alias']),
    members: new Map(members),
  };
}

interface StrippedEvent {
  readonly type?: unknown;
  readonly state_key?: unknown;
  readonly content?: Record<string, unknown> | null;
}

function strippedState(json: string | null): readonly StrippedEvent[] {
  return json === null ? [] : (parseStoredJson(json) as unknown as StrippedEvent[]);
}

function textIn(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}
