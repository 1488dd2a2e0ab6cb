import { allowedRoomIds } from '../rooms/membership/restricted-joins.js';
import type { RoomView } from '../rooms/room-view.js';

/** What is shown of a room to people who are not in it (definitions/room_summary.yaml). */
export interface RoomSummary {
  readonly room_id: string;
  readonly num_joined_members: number;
  readonly world_readable: boolean;
  readonly guest_can_join: boolean;
  readonly join_rule: string;
  readonly room_version: string;
  readonly name?: string;
  readonly topic?: string;
  readonly canonical_alias?: string;
  readonly avatar_url?: string;
  readonly room_type?: string;
  readonly encryption?: string;
  readonly allowed_room_ids?: readonly string[];
}

/** Texts of others are cut to this many characters. */
const MAX_TEXT = 2_048;

/** The summary of a room by its current state. Whoever asks for it decides who may see it. */
export function summaryOf(room: RoomView): RoomSummary {
  const content = (type: string): Readonly<Record<string, unknown>> => room.state.get(type, '')?.pdu.content ?? {};
  const text = (type: string, member: string): string | undefined => {
    const value = content(type)[member];
    return typeof value === 'string' && value !== '' ? value.slice(0, MAX_TEXT) : undefined;
  };
  const allowed = allowedRoomIds(room.state, room.rules);
  const shown = {
    name: text('m.room.name', 'name'),
    topic: text('m.room.topic', 'topic'),
    canonical_alias: text('m.room.canonical_alias', 'alias'),
    avatar_url: text('m.room.avatar', 'url'),
    room_type: text('m.room.create', 'type'),
    encryption: text('m.room.encryption', 'algorithm'),
  };
  return {
    room_id: room.id,
    num_joined_members: room.state.joined.size,
    world_readable: content('m.room.history_visibility')['history_visibility'] === 'world_readable',
    guest_can_join: content('m.room.guest_access')['guest_access'] === 'can_join',
    join_rule: text('m.room.join_rules', 'join_rule') ?? 'invite',
    room_version: room.rules.id,
    ...Object.fromEntries(Object.entries(shown).filter(([, value]) => value !== undefined)),
    ...(allowed.length === 0 ? {} : { allowed_room_ids: allowed }),
  };
}
