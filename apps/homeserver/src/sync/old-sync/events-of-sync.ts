import type { JsonObject } from '#federation';

interface Events {
  readonly events?: readonly JsonObject[];
}

/** What is read here of an answer of `/sync` of our own. */
export interface SyncBody {
  readonly next_batch: string;
  readonly account_data?: Events;
  readonly presence?: Events;
  readonly rooms?: {
    readonly join?: Readonly<Record<string, JoinedRoom>>;
    readonly invite?: Readonly<Record<string, { readonly invite_state: Events }>>;
    readonly leave?: Readonly<Record<string, { readonly state?: Events; readonly timeline: Events }>>;
  };
}

export interface JoinedRoom {
  readonly timeline: Events & { readonly prev_batch?: string };
  readonly state?: Events;
  readonly state_after?: Events;
  readonly ephemeral?: Events;
  readonly account_data?: Events;
}

/** All new events of an answer of `/sync` in one list, each with its room. */
export function eventsOfSync({ account_data: accountData, presence, rooms = {} }: SyncBody, userId: string): JsonObject[] {
  const list: JsonObject[] = [];
  const add = (roomId: string, events: readonly JsonObject[] = []): void => {
    for (const event of events) list.push({ ...event, room_id: roomId });
  };
  for (const [roomId, room] of Object.entries(rooms.join ?? {})) {
    add(roomId, sinceOwnJoin(room, userId));
    add(roomId, room.ephemeral?.events);
    add(roomId, room.account_data?.events);
  }
  for (const [roomId, room] of Object.entries(rooms.leave ?? {})) add(roomId, room.timeline.events);
  for (const [roomId, room] of Object.entries(rooms.invite ?? {})) {
    const isOwn = (event: JsonObject): boolean => event['type'] === 'm.room.member' && event['state_key'] === userId;
    add(roomId, (room.invite_state.events ?? []).filter(isOwn));
  }
  list.push(...(presence?.events ?? []), ...(accountData?.events ?? []));
  return list;
}

/** Of a room that is new to the client, what it held before is no news. */
function sinceOwnJoin({ timeline: { events = [] } }: JoinedRoom, userId: string): readonly JsonObject[] {
  const joined = events.findLastIndex((event) =>
    event['type'] === 'm.room.member' && event['state_key'] === userId && membershipOf(event['content']) === 'join'
    && membershipOf((event['unsigned'] as JsonObject | undefined)?.['prev_content']) !== 'join');
  // Who made the room is there from the beginning.
  return joined <= 1 ? events : events.slice(joined);
}

function membershipOf(content: unknown): unknown {
  return (content as JsonObject | undefined)?.['membership'];
}
