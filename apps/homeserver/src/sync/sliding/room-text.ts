import type { Dialect } from './sliding-request.js';

/** Somebody who names a room that has no name. */
export interface HeroText {
  readonly userId: string;
  readonly displayName: unknown;
  readonly avatarUrl: unknown;
}

/** A room's result, of which only what is set is written. Texts are JSON. */
export interface RoomResult {
  readonly isInitial?: boolean;
  readonly isExpanded?: boolean;
  readonly membership: string;
  readonly lists: readonly string[];
  readonly bumpStamp: number;
  /** Null where the name was taken away. */
  readonly name?: string | null | undefined;
  readonly avatar?: string | null | undefined;
  readonly heroes?: readonly HeroText[] | undefined;
  readonly isDirect?: boolean | undefined;
  readonly joined?: number | undefined;
  readonly invited?: number | undefined;
  readonly unread?: { readonly notifications: number; readonly highlights: number } | undefined;
  readonly state?: readonly string[] | undefined;
  /** State that is not set any more. */
  readonly removed?: readonly { readonly type: string; readonly stateKey: string }[] | undefined;
  readonly timeline?: readonly string[] | undefined;
  readonly isLimited?: boolean;
  readonly live?: number | undefined;
  readonly prevBatch?: string | undefined;
  /** An array of stripped state. */
  readonly stripped?: string | undefined;
}

/** A room of an answer as JSON text (MSC4186, `RoomResult`, and what today's clients know in its place). */
export function roomText(room: RoomResult, dialect: Dialect): string {
  const isV4 = dialect === 'v4';
  const parts: string[] = [];
  const add = (name: string, value: unknown): void => {
    if (value !== undefined) parts.push(`"${name}":${JSON.stringify(value)}`);
  };
  if (isV4) add('membership', room.membership);
  if (isV4 && room.lists.length > 0) add('lists', room.lists);
  if (room.isInitial) add('initial', true);
  // COMPAT(matrix-rust-sdk): there a name is a text.
  if (isV4 || room.name !== null) add('name', room.name);
  add('avatar', room.avatar);
  if (room.heroes) add('heroes', room.heroes.map(({ userId, displayName, avatarUrl }) => ({
    user_id: userId,
    ...(typeof displayName === 'string' && { displayname: displayName }),
    ...(typeof avatarUrl === 'string' && { avatar_url: avatarUrl }),
  })));
  add('is_dm', room.isDirect);
  add('bump_stamp', room.bumpStamp);
  add('joined_count', room.joined);
  add('invited_count', room.invited);
  if (room.unread) {
    add('notification_count', room.unread.notifications);
    add('highlight_count', room.unread.highlights);
  }
  const removed = isV4 ? (room.removed ?? []).map(({ type, stateKey }) => JSON.stringify({ type, state_key: stateKey })) : [];
  const state = [...(room.state ?? []), ...removed];
  if (state.length > 0) parts.push(`"required_state":[${state.join(',')}]`);
  if (room.timeline) {
    if (room.timeline.length > 0) parts.push(`"timeline":[${room.timeline.join(',')}]`);
    add('limited', room.isLimited ?? false);
    add('num_live', room.live);
  }
  add('prev_batch', room.prevBatch);
  if (room.isExpanded) add(isV4 ? 'expanded_timeline' : 'unstable_expanded_timeline', true);
  if (room.stripped !== undefined) parts.push(`"${isV4 ? 'stripped_state' : 'invite_state'}":${room.stripped}`);
  return `{${parts.join(',')}}`;
}
